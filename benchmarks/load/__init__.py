"""The gateway under load, and its peers beside it: everything but them is scripted, so that only they count."""
