"""Subcommands of `paddleocr-vl` that use a service."""
