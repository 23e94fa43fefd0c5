from __future__ import annotations

import asyncio
import hashlib

import pytest
from PIL import Image
from reportlab.lib.pdfencrypt import StandardEncryption

from gateway.errors import ServiceError
from gateway.intake.document import clean_name, open_document
from gateway.intake.render.render_pool import RenderPool
from gateway.intake.spool import SpooledFile
from gateway.model import Document, PageFailure, PageImage, TextPage
from gateway.settings import Settings
from tests.gateway.intake.files import RED, WHITE, encode, mixed_pdf, noise, pdf, picture, png_that_claims


async def opened(
    pool: RenderPool, settings: Settings, data: bytes, name: str = "a.pdf", pages: str | None = None
) -> Document:
    return await open_document(SpooledFile.from_bytes(data), name, pages=pages, dpi=144, pool=pool, settings=settings)


async def pages_of(document: Document) -> list[PageImage | PageFailure | TextPage]:
    return [page async for page in document.pages()]


async def test_pdf_to_pages(pool: RenderPool, settings: Settings) -> None:
    data = pdf(pages=4)
    document = await opened(pool, settings, data, "folder/отчёт.pdf", pages="2,4")
    assert document.name == "отчёт.pdf"
    assert document.media_type == "application/pdf"
    assert document.sha256 == hashlib.sha256(data).hexdigest()
    assert (document.pages_total, document.selected) == (4, (2, 4))
    pages = await pages_of(document)
    assert [page.number for page in pages] == [2, 4]
    for page in pages:
        assert isinstance(page, PageImage)
        assert (page.width, page.height, page.dpi) == (400, 200, 144)
        assert page.pixels.dtype == "uint8"
        assert page.pixels.flags.c_contiguous
        assert tuple(page.pixels[190, 10]) == RED
        assert tuple(page.pixels[10, 390]) == WHITE
    await document.close()
    await document.close()


async def test_dpi_option(pool: RenderPool, settings: Settings) -> None:
    document = await open_document(
        SpooledFile.from_bytes(pdf(pages=1)), "a", pages=None, dpi=72, pool=pool, settings=settings
    )
    (page,) = await pages_of(document)
    assert isinstance(page, PageImage)
    assert (page.width, page.dpi) == (200, 72)


async def test_image_pages_twice(pool: RenderPool, settings: Settings) -> None:
    document = await opened(pool, settings, encode(picture(), "PNG", dpi=(200, 200)), "scan.jpg")
    assert (document.media_type, document.pages_total, document.selected) == ("image/png", 1, (1,))
    for _ in range(2):
        (page,) = await pages_of(document)
        assert isinstance(page, PageImage)
        assert (page.width, page.height, page.dpi) == (40, 30, 200)
        assert tuple(page.pixels[5, 5]) == RED


BAD = {
    "empty": (b"", None, 400, "empty_document"),
    "text": (b"Dear all, this is no PDF", None, 415, "unsupported_media_type"),
    "cut png": (encode(noise(), "PNG")[:9000], None, 400, "damaged_image"),
    "cut jpeg": (encode(noise(), "JPEG")[:9000], None, 400, "damaged_image"),
    "cut pdf": (pdf()[:900], None, 400, "damaged_pdf"),
    "password": (pdf(encrypt=StandardEncryption("secret")), None, 422, "password_required"),
    "image of 30,000 pixels": (png_that_claims(30_000, 30_000), None, 413, "image_too_large"),
    "pages beyond the end": (pdf(pages=3), "9-", 422, "invalid_pages"),
    "pages of an image": (encode(picture(), "PNG"), "2", 422, "invalid_pages"),
    "too many pages": (pdf(pages=11), None, 413, "too_many_pages"),
    "too many frames": (
        encode(picture(4, 4), "TIFF", save_all=True, append_images=[picture(4, 4)] * 10),
        None,
        413,
        "too_many_pages",
    ),
}


@pytest.mark.parametrize("case", BAD)
async def test_bad_input_codes(pool: RenderPool, settings: Settings, case: str) -> None:
    data, pages, status, code = BAD[case]
    with pytest.raises(ServiceError) as caught:
        await opened(pool, settings, data, "a.pdf", pages)
    assert (caught.value.status, caught.value.code) == (status, code)
    assert caught.value.detail
    (page,) = await pages_of(await opened(pool, settings, pdf(pages=1)))
    assert isinstance(page, PageImage)


async def test_pages_beyond_the_end(pool: RenderPool, settings: Settings) -> None:
    with pytest.raises(ServiceError, match="3 pages"):
        await opened(pool, settings, pdf(pages=3), pages="9-")


async def test_few_pages_of_long_file(pool: RenderPool, settings: Settings) -> None:
    document = await opened(pool, settings, pdf(pages=11), pages="11")
    assert document.pages_total == 11
    assert len(await pages_of(document)) == 1


async def test_huge_page_says_that_it_is_small(pool: RenderPool, settings: Settings) -> None:
    pages = await pages_of(await opened(pool, settings, mixed_pdf([(100, 100), (14_400, 14_400), (100, 100)])))
    told = [page.warnings for page in pages if isinstance(page, PageImage)]
    assert [len(warnings) for warnings in told] == [0, 1, 0]
    assert "200 × 200 inches" in told[1][0]


async def test_password_opens(pool: RenderPool, settings: Settings) -> None:
    content = SpooledFile.from_bytes(pdf(pages=1, encrypt=StandardEncryption("secret")))
    document = await open_document(content, "a", pages=None, dpi=72, pool=pool, settings=settings, password="secret")
    (page,) = await pages_of(document)
    assert isinstance(page, PageImage)


async def test_bad_frame_costs_itself(pool: RenderPool, settings: Settings) -> None:
    good, huge = picture(), Image.new("1", (2000, 2000))
    data = encode(good, "TIFF", save_all=True, append_images=[huge, good, noise()])
    pages = await pages_of(await opened(pool, settings, data[:-60_000]))
    assert [page.code if isinstance(page, PageFailure) else "good" for page in pages[:3]] == [
        "good",
        "image_too_large",
        "good",
    ]
    assert [page.code for page in pages[3:] if isinstance(page, PageFailure)] == ["damaged_image"]


async def test_concurrent_documents(pool: RenderPool, settings: Settings) -> None:
    sizes = [(100, 50 + 10 * at) for at in range(20)]
    documents = await asyncio.gather(*(opened(pool, settings, pdf(pages=2, size=size)) for size in sizes))
    results = await asyncio.gather(*(pages_of(document) for document in documents))
    for (_, height), pages in zip(sizes, results, strict=True):
        assert [(page.number, page.height) for page in pages if isinstance(page, PageImage)] == [
            (1, 2 * height),
            (2, 2 * height),
        ]


async def test_page_out_of_memory() -> None:
    settings = Settings(_env_file=None, render_workers=1, render_memory_mb=256, max_pixels=200_000_000)
    pool = RenderPool(settings)
    await pool.start()
    try:
        with pytest.raises(ServiceError) as caught:
            await opened(pool, settings, encode(Image.new("RGB", (9_000, 9_000)), "PNG"))
        assert (caught.value.status, caught.value.code) == (413, "out_of_memory")
        document = await opened(pool, settings, mixed_pdf([(5000, 5000), (100, 100)]))
        first, second = await pages_of(document)
        assert isinstance(first, PageFailure)
        assert first.code == "out_of_memory"
        assert isinstance(second, PageImage)
    finally:
        await pool.close()


async def test_closed_document(pool: RenderPool, settings: Settings) -> None:
    document = await opened(pool, settings, pdf())
    await document.close()
    with pytest.raises(RuntimeError):
        await pages_of(document)


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("a.pdf", "a.pdf"),
        ("/etc/passwd", "passwd"),
        ("C:\\Users\\me\\скан.png", "скан.png"),
        ("../..", "document"),
        ("", "document"),
        ("dir/", "document"),
        ("a\r\nX-Evil: 1\x00\x1b[31m.pdf", "aX-Evil: 1[31m.pdf"),
        ("line\u2028break\udcff.pdf", "linebreak.pdf"),
        ("no\ufffetext\uffff.pdf", "notext.pdf"),
        ("e\u0301.pdf", "\u00e9.pdf"),
    ],
)
def test_clean_name(name: str, cleaned: str) -> None:
    assert clean_name(name) == cleaned


def test_long_name() -> None:
    assert clean_name("я" * 400) == "я" * 127
