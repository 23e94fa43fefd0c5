from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image


@pytest.fixture(scope="session")
def png() -> bytes:
    return encoded("PNG")


@pytest.fixture(scope="session")
def tiff() -> bytes:
    """Three pages."""
    return encoded("TIFF", pages=3)


def encoded(kind: str, pages: int = 1) -> bytes:
    frames = [Image.new("RGB", (400, 300), "white") for _ in range(pages)]
    data = BytesIO()
    frames[0].save(data, kind, **({"save_all": True, "append_images": frames[1:]} if pages > 1 else {}))
    return data.getvalue()
