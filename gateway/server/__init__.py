"""What stands between the socket and the application: uvicorn, with bounds for whoever connects to it."""
