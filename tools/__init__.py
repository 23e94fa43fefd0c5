"""Programs for developers and for the build of images; no part of the service."""
