"""`make sweep`: every file of a folder through a service, and what became of each."""
