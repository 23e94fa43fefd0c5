"""`/api/v1/marker` and `/api/v1/convert` of Datalab, `/marker/upload` of a self-hosted Marker, for their clients."""
