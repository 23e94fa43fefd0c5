"""Starts an image as platforms start it and reports what works: `make verify-image IMAGE=…`, docs/deployment.md."""
