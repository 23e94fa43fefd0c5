from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from fpdf import FPDF
from PIL import Image, ImageDraw, ImageFont

from tests.gateway.conftest import encoded
from tests.support.browser import Playground, open_playground
from tests.support.script_pages import FONT
from tests.support.server import Gateway, gateway


@pytest.fixture(scope="module")
def _service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway"), jobs=True, url_fetch="any") as running:
        yield running


@pytest.fixture(scope="module")
def _browser(_service: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playground]:
    with open_playground(tmp_path_factory.mktemp("browser"), _service.url) as page:
        yield page


@pytest.fixture
def served(_service: Gateway) -> Iterator[Gateway]:
    """The gateway of this module, as new for each test."""
    _service.reset()
    yield _service
    _service.reset()


@pytest.fixture
def page(served: Gateway, _browser: Playground) -> Playground:
    """The playground as a new visitor sees it."""
    _browser.emulate()
    _browser.open()
    _browser.take_errors()
    return _browser


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of 400 by 300 pixels."""
    return _write(tmp_path_factory.mktemp("files") / "letter.png", encoded("PNG"))


@pytest.fixture(scope="session")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of 400 by 300 pixels with three lines of print in its lower part."""
    image = Image.new("RGB", (400, 300), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.truetype(FONT, 26)
    for number, line in enumerate(("The reading room was", "open three hundred", "days in that year")):
        draw.text((40, 90 + 60 * number), line, font=font, fill="black")
    data = BytesIO()
    image.save(data, "PNG")
    return _write(tmp_path_factory.mktemp("files") / "poster.png", data.getvalue())


@pytest.fixture(scope="session")
def three_pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write(tmp_path_factory.mktemp("files") / "three.tiff", encoded("TIFF", pages=3))


@pytest.fixture(scope="session")
def many_pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As many as the playground reads in the background."""
    frames = [Image.new("L", (220, 160), 255) for _ in range(24)]
    data = BytesIO()
    frames[0].save(data, "TIFF", save_all=True, append_images=frames[1:])
    return _write(tmp_path_factory.mktemp("files") / "many.tiff", data.getvalue())


@pytest.fixture(scope="session")
def two_hundred_pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PDF of small pages."""
    document = FPDF(format=(148, 210))
    document.set_font("Helvetica", size=20)
    for number in range(1, 201):
        document.add_page()
        document.cell(text=f"Page {number} of a long report")
    return _write(tmp_path_factory.mktemp("files") / "report.pdf", bytes(document.output()))


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
