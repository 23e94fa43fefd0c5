"""A document for examples, so that they can be sent as they stand."""

from __future__ import annotations

EXAMPLE_PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAAEAAAAAgAQAAAACK5kMpAAAAPUlEQVR42mP8zwABTAwUMvb8hbD+W//6//////9MDLItUJHb+yAi"
    "/x1gii+ga///9wADAwMDAyPV3EMdBgDf5BggzZBgWwAAAABJRU5ErkJggg=="
)
"""Base64 of a small PNG."""
