"""The tools, asked by the official client over each transport, against a gateway."""

from __future__ import annotations

import asyncio
import base64
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import ImageContent
from PIL import Image

from paddleocr_vl_client import AsyncClient
from tests.gateway.intake.files import pdf
from tests.paddleocr_vl_client.conftest import KEY
from tests.paddleocr_vl_client.mcp.conftest import OTHER_KEY, Connect, Failure, by_http, by_stdio, call
from tests.support.origin import origin
from tests.support.server import Gateway

FOUR = "more/four.pdf"
TITLE = "Invoice of the Harbour Office"


async def test_tools_say_what_they_are_for(connect: Connect) -> None:
    async with connect() as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert client.instructions
    assert set(tools) == {"read_document", "outline", "search", "get_block", "page_image", "list_jobs"}
    assert all(tool.description and tool.annotations and tool.annotations.read_only_hint for tool in tools.values())
    assert tools["read_document"].input_schema["required"] == ["document"]


async def test_a_document_is_read_on_until_its_end(connect: Connect) -> None:
    """By as many characters as the agent asks for, none twice and none left out."""
    async with connect() as client:
        whole = await call(client, "read_document", document=FOUR, max_characters=100_000)
        assert (whole["name"], whole["pages_total"], whole["next_pages"]) == ("four.pdf", 4, None)
        texts = {page["locator"]: page["text"] for page in whole["pages"]}
        assert list(texts) == [f"{whole['document']}/{number}" for number in (1, 2, 3, 4)]
        for budget in (300, 900):
            found = dict.fromkeys(texts, "")
            goes_on: dict[str, object] = {"document": FOUR}
            calls = 0
            while True:
                calls += 1
                part = await call(client, "read_document", max_characters=budget, **goes_on)
                assert sum(len(page["text"]) for page in part["pages"]) <= budget
                for page in part["pages"]:
                    found[page["locator"]] += page["text"]
                if part["next_pages"] is None:
                    break
                goes_on = {
                    "document": part["document"], "pages": part["next_pages"], "offset": part["next_offset"]
                }  # fmt: skip
            assert found == texts
            assert calls > 2


async def test_only_pages_that_are_asked_for_are_read_and_each_once(connect: Connect, pages: Gateway) -> None:
    async with connect() as client:
        first = await call(client, "read_document", document="five.pdf", pages="4-")
        assert [page["locator"][-2:] for page in first["pages"]] == ["/4", "/5"]
        read = len(pages.engine.requests)
        again = await call(client, "read_document", document=first["pages"][1]["locator"])
        assert [page["locator"][-2:] for page in again["pages"]] == ["/5"]
        assert len(pages.engine.requests) == read
        await call(client, "outline", document="five.pdf")
        assert len(pages.engine.requests) == read + 6


async def test_outline_search_and_blocks_share_locators(connect: Connect) -> None:
    async with connect() as client:
        entries = (await call(client, "outline", document=FOUR, pages="2"))["entries"]
        assert [(entry["kind"], entry["level"]) for entry in entries] == [("doc_title", 1), ("table", 0)]
        assert entries[0]["text"].startswith(TITLE)
        hits = (await call(client, "search", query="1,250.00", document=FOUR))["hits"]
        assert [hit["score"] for hit in hits] == [100.0] * 4
        assert hits[1]["locator"] == entries[1]["locator"]
        (block,) = (await call(client, "get_block", locator=hits[1]["locator"]))["blocks"]
        assert block["content"].startswith("<table")
        assert (block["kind"], block["bbox"]) == ("table", [10, 80, 210, 110])
        page = await call(client, "get_block", locator=hits[1]["locator"].rpartition("/")[0])
        assert (len(page["blocks"]), page["note"]) == (3, None)
        near = (await call(client, "search", query="lnvoice of the HARB0UR Office", limit=3))["hits"]
        assert len(near) == 3
        assert all(hit["score"] < 100 for hit in near)


async def test_an_empty_result_says_why(connect: Connect, pages: Gateway, folder: Path) -> None:
    """As text too, which is all that some agents are shown."""
    pages.layout.regions = []
    (folder / "empty.pdf").write_bytes(pdf(3))  # what other tests have read is remembered
    async with connect() as client:
        for tool, arguments, reason in (
            ("outline", {"document": "empty.pdf", "pages": "2-3"}, "read_document"),
            ("search", {"query": "nothing of this kind"}, "other words"),
            ("list_jobs", {"state": "running"}, "no running jobs"),
        ):
            answer = await client.call_tool(tool, arguments)
            (content,) = answer.content
            assert reason in getattr(content, "text", "")
            assert reason in (answer.structured_content or {})["note"]


@pytest.mark.parametrize(
    ("tool", "arguments", "reason"),
    [
        ("read_document", {"document": "../secret.pdf"}, "no file that may be read"),
        ("read_document", {"document": "link.pdf"}, "no file that may be read"),
        ("read_document", {"document": "up/secret.pdf"}, "no file that may be read"),
        ("read_document", {"document": "/etc/passwd"}, "no file that may be read"),
        ("read_document", {"document": "more"}, "no file that may be read"),
        ("read_document", {"document": "a\0b"}, "no file that may be read"),
        ("read_document", {"document": "broken.pdf"}, "plain text"),
        ("read_document", {"document": FOUR, "pages": "5"}, "pages 1 to 4"),
        ("read_document", {"document": FOUR, "pages": "three"}, "`pages` is like"),
        ("read_document", {"document": "0123456789abcdef"}, "give its path or URL"),
        ("get_block", {"locator": "0123456789abcdef"}, "no locator of a page"),
        ("get_block", {"locator": "0123456789abcdef/1/1"}, "give its path or URL"),
        ("read_document", {"document": FOUR, "max_characters": 1}, "max_characters"),
    ],
)
async def test_refusals_are_sentences(connect: Connect, tool: str, arguments: dict[str, object], reason: str) -> None:
    async with connect() as client:
        with pytest.raises(Failure, match=reason):
            await call(client, tool, **arguments)


async def test_a_block_that_does_not_exist(connect: Connect) -> None:
    async with connect() as client:
        document = (await call(client, "read_document", document=FOUR, pages="1"))["document"]
        with pytest.raises(Failure, match="There is no block"):
            await call(client, "get_block", locator=f"{document}/1/99")


async def test_pictures_of_pages_and_of_blocks(connect: Connect) -> None:
    """Each page of the PDF has a red square in its lower left corner, a quarter of its width, half of its height."""
    async with connect() as client:
        document = (await call(client, "read_document", document=FOUR, pages="1"))["document"]
        page = await _picture(client, f"{document}/2")
        assert page.width == 2 * page.height
        pixels = np.asarray(page)
        for x, y, is_red in ((0.1, 0.9, True), (0.1, 0.2, False), (0.6, 0.9, False)):
            red, green, _ = pixels[int(y * page.height), int(x * page.width)]
            assert bool(red > 200 and green < 60) is is_red
        (block,) = (await call(client, "get_block", locator=f"{document}/2/3"))["blocks"]
        left, top, right, bottom = block["bbox"]
        scale = page.width / block["page_size"][0]
        part = await _picture(client, f"{document}/2/3")
        assert 0 <= part.width - scale * (right - left) <= 20
        assert 0 <= part.height - scale * (bottom - top) <= 20
        with pytest.raises(Failure, match="There is no block"):
            await _picture(client, f"{document}/2/9")


async def _picture(client: Client, locator: str) -> Image.Image:
    answer = await client.call_tool("page_image", {"locator": locator})
    (content,) = answer.content
    if answer.is_error:
        raise Failure(getattr(content, "text", ""))
    assert isinstance(content, ImageContent)
    return Image.open(BytesIO(base64.b64decode(content.data))).convert("RGB")


async def test_a_first_page_that_cannot_be_read_hides_no_other(connect: Connect, pages: Gateway, folder: Path) -> None:
    (folder / "six.pdf").write_bytes(pdf(6))
    pages.layout.by_page = {1: ValueError("layout")}
    async with connect() as client:
        read = await call(client, "read_document", document="six.pdf", pages="1-2")
    assert [(page["status"], bool(page["text"])) for page in read["pages"]] == [("failed", False), ("ok", True)]


async def test_pages_are_resources(connect: Connect) -> None:
    async with connect() as client:
        (template,) = (await client.list_resource_templates()).resource_templates
        assert template.uri_template == "ocr://{document}/{page}"
        read = await call(client, "read_document", document=FOUR, pages="2")
        (content,) = (await client.read_resource(f"ocr://{read['document']}/2")).contents
        assert getattr(content, "text", None) == read["pages"][0]["text"]
        with pytest.raises(MCPError, match="has been read here"):
            await client.read_resource("ocr://0123456789abcdef/1")


async def test_jobs_are_listed(connect: Connect, pages: Gateway, folder: Path) -> None:
    async with AsyncClient(pages.url, api_key=KEY) as service:
        job = await service.jobs.wait((await service.jobs.submit(folder / FOUR)).id)
    async with connect() as client:
        found = await call(client, "list_jobs", state="done", limit=1)
    assert found["jobs"] == [
        {"id": job.id, "state": "done", "name": "four.pdf", "pages_done": 4, "pages_total": 4, "error": None}
    ]


async def test_progress_is_told(connect: Connect) -> None:
    told: list[tuple[float, float | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total))

    async with connect() as client:
        await client.call_tool("outline", {"document": FOUR}, progress_callback=note)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


async def test_urls_are_fetched_by_the_service(connect: Connect) -> None:
    async with connect() as client:
        with origin() as elsewhere, pytest.raises(Failure, match="URL"):
            await call(client, "read_document", document=f"{elsewhere.url}/a.pdf")
    assert elsewhere.asked == []


async def test_a_file_that_changed_is_another_document(pages: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "a.pdf"
    file.write_bytes(pdf(1))
    async with by_stdio(pages.url, tmp_path) as client:
        before = await call(client, "read_document", document="a.pdf")
        await asyncio.to_thread(file.write_bytes, pdf(2))
        after = await call(client, "read_document", document="a.pdf")
        assert after["document"] != before["document"]
        assert (before["pages_total"], after["pages_total"]) == (1, 2)
        assert (await call(client, "read_document", document=before["document"]))["pages"] == before["pages"]


async def test_without_folders_no_file_is_read(pages: Gateway, folder: Path) -> None:
    async with by_stdio(pages.url) as client:
        for name in (FOUR, str(folder / FOUR)):
            with pytest.raises(Failure, match="may not be read"):
                await call(client, "read_document", document=name)


async def test_a_search_before_anything_was_read(pages: Gateway, folder: Path) -> None:
    async with by_stdio(pages.url, folder) as client:
        found = await call(client, "search", query=TITLE)
        assert (found["hits"], "No document has been read yet" in found["note"]) == ([], True)


async def test_keys_have_nothing_to_do_with_each_other(pages: Gateway) -> None:
    async with by_http(pages.url) as client:
        document = (await call(client, "read_document", document=FOUR, pages="1"))["document"]
    async with by_http(pages.url, OTHER_KEY) as client:
        assert (await call(client, "search", query=TITLE))["hits"] == []
        with pytest.raises(Failure, match="has been read here"):
            await call(client, "read_document", document=document)


async def test_the_service_may_have_any_name(pages: Gateway) -> None:
    async with by_http(pages.url, host="ocr.example.com") as client:
        assert (await call(client, "list_jobs", state="running"))["jobs"] == []


async def test_a_key_is_needed(pages: Gateway) -> None:
    answer = pages.client.post("/mcp", json={})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


async def test_a_service_that_is_away(tmp_path: Path) -> None:
    async with by_stdio("http://127.0.0.1:9", tmp_path) as client:
        with pytest.raises(Failure, match="can't be reached"):
            await call(client, "list_jobs")
