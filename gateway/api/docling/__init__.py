"""`/v1/convert`, `/v1/status/poll`, `/v1/result` and `/version`: the API of docling-serve, for its clients."""
