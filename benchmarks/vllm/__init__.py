"""What the gateway costs on the way to vLLM."""
