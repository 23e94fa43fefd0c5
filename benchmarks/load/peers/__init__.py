"""Servers that do the same work, started in environments of their own. Nothing of this project is imported there."""
