"""Stand-ins for the parts that tests do not want to start: an OpenAI engine, a layout detector, a document."""
