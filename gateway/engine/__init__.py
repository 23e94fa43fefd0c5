"""Talk to the recognition engine through OpenAI's API: one client, its HTTP, its answers and its errors."""
