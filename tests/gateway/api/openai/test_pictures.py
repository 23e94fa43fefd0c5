"""What becomes of a picture between the client and the engine."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from openai import BadRequestError, OpenAI
from PIL import Image

from tests.gateway.api.openai.conftest import MESSAGES, about, data_url
from tests.support.origin import Origin, origin
from tests.support.server import Gateway, gateway
from tests.support.stub_engine import StubEngine

MOST_PIXELS = 28 * 28 * 400


def drawn(width: int, height: int, kind: str = "PNG", **options: Any) -> bytes:  # noqa: ANN401 - Pillow's own
    """White, with a red left edge."""
    image = Image.new("RGB", (width, height), "white")
    image.paste("red", (0, 0, max(1, width // 4), height))
    data = BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def read(served: Gateway, url: str, **fields: Any) -> Image.Image:  # noqa: ANN401 - JSON
    """The picture that the engine gets."""
    answer = served.client.post("/v1/chat/completions", json={"messages": about(url), **fields})
    assert answer.status_code == 200, answer.text
    (part,) = [part for part in served.engine.requests[-1].body["messages"][0]["content"] if part["type"] != "text"]
    assert list(part) == ["type", "image_url"]
    assert list(part["image_url"]) == ["url"]
    assert part["image_url"]["url"].startswith("data:image/png;base64,")
    return Image.open(BytesIO(served.engine.requests[-1].image)).convert("RGB")


def refused(served: Gateway, url: str) -> dict[str, Any]:
    answer = served.client.post("/v1/chat/completions", json={"messages": about(url)})
    assert not served.engine.requests
    error: dict[str, Any] = answer.json()["error"]
    assert error["param"] == "messages[0].content[0].image_url.url"
    return error | {"status": answer.status_code}


@pytest.fixture
def elsewhere() -> Iterator[Origin]:
    with origin() as found:
        yield found


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_pictures_of_every_kind_reach_the_engine_as_png(served: Gateway, kind: str) -> None:
    picture = read(served, data_url(drawn(400, 300, kind), kind.lower()))
    assert picture.size == (400, 300)
    assert list(map(int, np.asarray(picture)[150, 10])) == pytest.approx([255, 0, 0], abs=8)


def test_the_engine_never_gets_the_clients_file(served: Gateway) -> None:
    sent = drawn(400, 300) + b"and something at its end"
    read(served, data_url(sent))
    assert b"something" not in served.engine.requests[-1].image


def test_a_picture_is_turned_upright(served: Gateway) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it by 90 degrees clockwise
    picture = read(served, data_url(drawn(400, 300, "JPEG", exif=exif), "jpeg"))
    assert picture.size == (300, 400)
    assert list(map(int, np.asarray(picture)[10, 150])) == pytest.approx([255, 0, 0], abs=8)


def test_of_several_frames_the_first_is_read(served: Gateway, tiff: bytes) -> None:
    assert read(served, data_url(tiff, "tiff")).size == (400, 300)


def test_a_large_picture_is_scaled_to_what_the_engine_takes(served: Gateway) -> None:
    width, height = read(served, data_url(drawn(1600, 1200))).size
    assert MOST_PIXELS * 0.85 < width * height <= MOST_PIXELS
    assert width / height == pytest.approx(4 / 3, rel=0.05)


@pytest.mark.parametrize("size", [(1, 1), (5, 5), (3, 1900), (1900, 3)])
def test_a_picture_too_small_or_thin_for_the_engine_gets_margins(served: Gateway, size: tuple[int, int]) -> None:
    width, height = read(served, data_url(drawn(*size))).size
    assert min(width, height) >= 28 or width * height < 28 * 28 * 400
    assert max(width, height) <= 200 * min(width, height)


def test_paddlexs_pixel_limits_are_applied_and_not_passed_on(served: Gateway) -> None:
    limits = {"min_pixels": 200_000, "max_pixels": 250_000}
    small = read(served, data_url(drawn(200, 150)), mm_processor_kwargs=limits).size
    large = read(served, data_url(drawn(1200, 900)), mm_processor_kwargs=limits).size
    assert 200_000 <= small[0] * small[1] <= 250_000
    assert 200_000 <= large[0] * large[1] <= 250_000
    assert "mm_processor_kwargs" not in served.engine.requests[-1].body


def test_a_limit_above_the_services_own_has_no_effect(served: Gateway) -> None:
    limits = {"min_pixels": 1_000_000, "max_pixels": 2_000_000}
    width, height = read(served, data_url(drawn(200, 150)), mm_processor_kwargs=limits).size
    assert width * height <= MOST_PIXELS * 1.1


def test_detail_is_accepted_and_dropped(served: Gateway) -> None:
    messages = about(data_url(drawn(40, 30)))
    messages[0]["content"][0]["image_url"]["detail"] = "high"
    assert served.client.post("/v1/chat/completions", json={"messages": messages}).status_code == 200
    assert "detail" not in served.engine.requests[-1].body["messages"][0]["content"][0]["image_url"]


def test_an_engine_that_reads_pictures_as_they_are_gets_them_so(tmp_path: Any) -> None:  # noqa: ANN401
    with gateway(tmp_path, engine=StubEngine(kind="embedded"), vlm_max_pixels=28 * 28 * 400) as running:
        limits = {"min_pixels": 784, "max_pixels": 1000}
        assert read(running, data_url(drawn(1600, 1200)), mm_processor_kwargs=limits).size == (1600, 1200)
        answer = running.client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "hi"}]})
        assert answer.status_code == 400
        assert "must hold one" in answer.json()["error"]["message"]


def test_a_picture_by_url_is_fetched_by_the_gateway(served: Gateway, elsewhere: Origin, client: OpenAI) -> None:
    elsewhere.files["/a.png"] = drawn(120, 90)
    assert read(served, f"{elsewhere.url}/a.png").size == (120, 90)
    assert elsewhere.asked == ["/a.png"]
    assert "authorization" not in elsewhere.headers
    with pytest.raises(BadRequestError) as caught:
        client.chat.completions.create(model="stub-model", messages=about(f"{elsewhere.url}/none.png"))
    assert caught.value.code == "url_unreachable"


def test_a_private_address_is_not_fetched_from(tmp_path: Any, elsewhere: Origin) -> None:  # noqa: ANN401
    elsewhere.files["/a.png"] = drawn(120, 90)
    with gateway(tmp_path, engine=StubEngine(kind="vllm")) as running:
        for url in (f"{elsewhere.url}/a.png", running.engine.base_url + "/models", "http://169.254.169.254/"):
            assert refused(running, url)["code"] == "url_not_allowed"
    assert elsewhere.asked == []


PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer<<>>\n%%EOF"


@pytest.mark.parametrize(
    ("url", "status", "code"),
    [
        (data_url(PDF), 400, "unsupported_media_type"),
        (data_url(PDF, "png").replace("image/png", "application/pdf"), 400, "invalid_value"),
        (data_url(b"just text"), 400, "unsupported_media_type"),
        (data_url(b"<svg/>", "svg+xml"), 400, "unsupported_media_type"),
        (data_url(b"\x89PNG\r\n\x1a\nbroken"), 400, "damaged_image"),
        (data_url(b""), 400, "empty_document"),
        ("data:image/png;base64,not base64!", 400, "invalid_base64"),
        ("data:image/png,abc", 400, "invalid_value"),
        ("data:text/html;base64,AAAA", 400, "invalid_value"),
        (base64.b64encode(drawn(4, 4)).decode(), 400, "url_not_allowed"),
        ("file:///etc/passwd", 400, "url_not_allowed"),
        ("", 400, "url_not_allowed"),
        (data_url(drawn(2000, 1001)), 413, "image_too_large"),
    ],
)
def test_what_is_no_picture(served: Gateway, url: str, status: int, code: str) -> None:
    error = refused(served, url)
    assert (error["status"], error["code"]) == (status, code)
    assert served.client.post("/v1/chat/completions", json={"messages": MESSAGES}).status_code == 200


def test_a_pdf_is_sent_to_the_route_that_takes_it(served: Gateway) -> None:
    assert "POST /ocr" in refused(served, data_url(PDF))["message"]
