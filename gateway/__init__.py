"""The gateway tier: documents in, Markdown and JSON out. Holds no torch and never imports `vlm_backend`."""

__version__ = "0.1.0"
