"""The VLM tier: an OpenAI-compatible server that reads one crop a call. Never imports `gateway`."""
