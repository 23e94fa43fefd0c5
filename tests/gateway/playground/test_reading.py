"""Documents in the playground: how they come in, are read, shown and written, in a real browser."""

from __future__ import annotations

import asyncio
import csv
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from docx import Document
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from gateway.jobs.acceptance import NewJob
from gateway.jobs.service import JobService
from gateway.model import Region
from tests.support.browser import Playground
from tests.support.origin import origin
from tests.support.pages import script_page
from tests.support.server import Gateway
from tests.support.stub_engine import Reply, StubRequest
from tests.support.waiting import WAIT_S, wait_until


def script_by_page(served: Gateway) -> dict[int, threading.Event]:
    """Each page has one region, which is read when the page's event is set; its text names the page."""
    gates = {number: threading.Event() for number in (1, 2, 3)}
    widths = {number: 100 + 60 * number for number in gates}
    served.layout.by_page = {
        number: [Region("text", (10, 10, 10 + width, 40), 1, 0.9)] for number, width in widths.items()
    }

    def answer(request: StubRequest) -> Reply:
        number = min(widths, key=lambda number: abs(widths[number] - request.size[0]))
        return Reply(f"words of page {number}", after=gates[number])

    served.engine.answer = answer
    return gates


def selected(page: Playground) -> tuple[Sequence[str], Sequence[str]]:
    """Ids of the blocks that are marked on the picture, and in the text."""
    marked = [
        [item.get_attribute("data-id") for item in page.all(f"{kind}.is-selected")] for kind in (".box", ".block")
    ]
    return marked[0], marked[1]  # type: ignore[return-value]


def test_upload_shows_page_boxes_and_text(page: Playground, picture: Path) -> None:
    page.read(picture)
    assert [item.text for item in page.all(".block .content")] == ["line one line two"] * 2
    assert len(page.all(".box")) == 2
    assert page.find(".picture[data-page]").get_attribute("width") == "400"
    picture_box, first = page.find(".picture").rect, page.find(".box rect").rect
    scale = picture_box["width"] / 400
    assert first["x"] - picture_box["x"] == pytest.approx(10 * scale, abs=3)
    assert first["width"] == pytest.approx(200 * scale, abs=6)
    assert page.take_errors() == []


def test_selection_goes_both_ways(page: Playground, picture: Path) -> None:
    page.read(picture)
    page.all(".box")[1].click()
    page.wait(lambda: selected(page) == (["p1-b2"], ["p1-b2"]))
    page.all(".block .content")[0].click()
    page.wait(lambda: selected(page) == (["p1-b1"], ["p1-b1"]))
    body = page.find("body")
    body.send_keys("j")
    page.wait(lambda: selected(page) == (["p1-b2"], ["p1-b2"]))
    body.send_keys(Keys.ESCAPE)
    page.wait(lambda: selected(page) == ([], []))


def test_pages_are_shown_as_they_come(page: Playground, served: Gateway, three_pages: Path) -> None:
    gates = script_by_page(served)
    page.upload(three_pages)
    gates[1].set()
    page.await_text(".block", "words of page 1")
    page.await_text("#list", "1 of 3 pages")
    assert len(page.all(".strip li")) == 1
    gates[2].set()
    gates[3].set()
    page.wait_for_state("done")
    assert len(page.all(".strip li")) == 3
    page.click(".strip [data-page='3'] button")
    page.await_text(".block", "words of page 3")


def test_cancelling_ends_the_reading(page: Playground, served: Gateway, picture: Path) -> None:
    served.engine.answer = lambda _request: Reply(hang=True)
    page.upload(picture)
    wait_until(lambda: served.engine.running, "a call")
    page.click("#list button.small")
    page.wait_for_state("cancelled")
    wait_until(lambda: not served.engine.running, "the calls to be dropped")


def test_several_files(page: Playground, served: Gateway, picture: Path, three_pages: Path) -> None:
    """In their order, the first one shown, which is read first; one that has to wait says so everywhere."""
    served.engine.answer = lambda _request: Reply(hang=True)
    page.upload(three_pages, picture, picture)
    page.wait(
        lambda: [item.text.split("\n")[0] for item in page.all("#list li")] == ["three.tiff"] + [picture.name] * 2
    )
    assert "three.tiff" in page.text("#list .is-current")
    page.await_text("#results .quiet", "is being read")
    page.wait(lambda: page.states()[2] == "waiting")
    page.all("#list button.name")[2].click()
    page.await_text("#results .quiet", "waiting")
    page.run("for (const item of document.querySelectorAll('#list li')) item.querySelector('button.small').click()")
    page.wait_for_state("cancelled")
    served.reset()
    page.read(picture, three_pages)
    page.click_button("#list", "three.tiff")
    page.wait(lambda: len(page.all(".strip li")) == 3)


def test_the_menu_of_layers_closes_as_menus_do(page: Playground, picture: Path) -> None:
    page.read(picture)
    page.click(".menu summary")
    page.click(".menu [name=order]")
    page.find(".menu [name=order]").send_keys("j", Keys.ESCAPE)  # a key that marks a block, from within the menu
    page.wait(lambda: not page.all(".menu[open]"))
    assert page.all(".block.is-selected")
    page.click(".menu summary")
    page.all(".block .content")[0].click()
    page.wait(lambda: not page.all(".menu[open]"))


def test_failures_are_told_in_words(page: Playground, tmp_path: Path) -> None:
    archive = tmp_path / "letter.docx"
    archive.write_bytes(b"PK\x03\x04 not a picture")
    page.read(archive)
    assert page.states() == ["failed"]
    assert "This kind of file is not read" in page.text("#list .error")
    # A phone shows one of these at a time.
    for place in ("#page .note", "#results .quiet"):
        page.await_text(place, "This kind of file is not read")
    page.click("#page [aria-label='Larger']")
    assert page.text(".zoom") == ""
    page.find("#url").send_keys("http://name:word@127.0.0.1/secret.pdf", Keys.ENTER)
    page.wait(lambda: page.states() == ["failed", "failed"])
    page.await_text("#list .error", "The URL is not fetched")


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_documents_are_dropped_and_pasted(page: Playground, way: str) -> None:
    page.driver.execute_async_script(
        """
        const [way, tell] = arguments;
        const canvas = Object.assign(document.createElement('canvas'), { width: 300, height: 200 });
        canvas.toBlob((blob) => {
          const data = new DataTransfer();
          data.items.add(new File([blob], 'scan.png', { type: 'image/png' }));
          const given = { bubbles: true, cancelable: true, dataTransfer: data, clipboardData: data };
          document.body.dispatchEvent(way === 'drop' ? new DragEvent(way, given) : new ClipboardEvent(way, given));
          tell();
        });
        """,
        way,
    )
    page.wait_for_state("done")
    assert "scan.png" in page.text("#list")
    assert len(page.all(".box")) == 2


def test_a_folder_is_dropped(page: Playground, picture: Path, tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    for name in ("10.png", "2.png", "notes.txt", ".hidden.png", "more/deep.png", "more/thumbs.db"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(picture.read_bytes())
    (tmp_path / "empty").mkdir()
    page.drop(folder)
    page.wait_for_state("done")
    assert [item.text for item in page.all("#list .name")] == ["2.png", "10.png", "deep.png"]
    page.drop(tmp_path / "empty")
    page.await_text("#drop-error", "holds no documents")


def test_what_was_read_is_cleared_away(page: Playground, served: Gateway, picture: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"no document")
    page.read(broken, picture, picture)
    page.click("#clear")
    page.wait(lambda: [item.text for item in page.all("#list .name")] == ["broken.pdf"])
    assert not page.find("#list-head").find_element(By.ID, "clear").is_displayed()


def test_a_lost_connection_is_told_and_tried_again(page: Playground, picture: Path) -> None:
    page.set_offline(True)
    page.read(picture)
    page.await_text("#list .error", "The service does not answer")
    page.set_offline(False)
    page.click_button("#list", "Try again")
    page.wait_for_state("done")
    assert len(page.all(".box")) == 2


def test_chosen_options_are_sent(page: Playground, served: Gateway, three_pages: Path) -> None:
    page.click("#options summary")
    page.find("[name=pages]").send_keys("2")
    page.find("[name=task]").send_keys("table")
    page.read(three_pages)
    assert [item.get_attribute("data-page") for item in page.all(".strip li")] == ["2"]
    assert served.engine.prompts == ["Table Recognition:"]


def test_only_what_there_is_to_choose_is_offered(page: Playground) -> None:
    page.click("#options summary")
    page.find("[name=pages]")
    assert not page.all("[name=model], [name=recognition]")
    models = [{"name": "small", "is_default": False}, {"name": "large", "is_default": True}]
    names, chosen = page.driver.execute_async_script(
        """const [models, done] = arguments;
        (async () => {
        const { optionsForm, chosenOptions } = await import('./playground/options.js');
        const capabilities = await (await fetch('v1/capabilities')).json();
        const form = document.createElement('form');
        form.append(...optionsForm({ ...capabilities, models, line_reader: { kind: 'embedded' } }));
        const { model, recognition } = form.elements;
        const names = [...model.options].map((option) => option.value);
        const before = chosenOptions(form);
        model.value = 'small';
        recognition.value = 'hybrid';
        done([names, [before, chosenOptions(form)]]);
        })();""",
        models,
    )
    assert names == ["small", "large"]
    assert chosen == [{}, {"model": "small", "recognition": "hybrid"}]


def test_another_language_keeps_what_was_chosen(page: Playground) -> None:
    page.click("#options summary")
    page.find("[name=pages]").send_keys("2")
    page.find("[name=seal]").click()
    page.find("#language").send_keys("Русский")
    page.await_text("#options-form", "Страницы")
    page.wait(lambda: page.find("[name=pages]").get_attribute("value") == "2")
    assert page.find("[name=seal]").is_selected()


def test_a_long_document_becomes_a_job_and_is_found_again(page: Playground, served: Gateway, many_pages: Path) -> None:
    go_on = threading.Event()
    served.layout.regions = [Region("text", (10, 10, 200, 40), 1, 0.9)]
    served.engine.answer = lambda _request: Reply("background words", after=go_on)
    page.upload(many_pages)
    go_on.set()
    wait_until(lambda: served.client.get("/jobs").json()["jobs"], "a job")
    page.open(keeps_storage=True)
    assert "many.tiff" in page.text("#list")
    page.wait_for_state("done")
    page.await_text(".block", "background words")
    assert page.find(".where").text == "1 / 24"
    assert page.find(".picture[data-page]").get_attribute("width") == "220"
    page.click("#list button.small")
    wait_until(lambda: not served.client.get("/jobs").json()["jobs"], "the job to be removed")


@pytest.fixture
def job_answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Set when a job is made, and to be set for the service to say so."""
    is_made, may_answer = threading.Event(), threading.Event()
    submit = JobService.submit

    async def submit_and_wait(jobs: JobService, submissions: Sequence[NewJob], priority: str) -> bool:
        is_new = await submit(jobs, submissions, priority)
        is_made.set()
        await asyncio.to_thread(may_answer.wait, WAIT_S)
        return is_new

    monkeypatch.setattr(JobService, "submit", submit_and_wait)
    yield is_made, may_answer
    may_answer.set()


def test_a_job_is_cancelled_before_the_service_has_answered(
    page: Playground, served: Gateway, many_pages: Path, job_answers: tuple[threading.Event, threading.Event]
) -> None:
    is_made, may_answer = job_answers
    page.upload(many_pages)
    assert is_made.wait(WAIT_S)
    page.click("#list button.small")
    page.wait_for_state("cancelled")
    may_answer.set()
    wait_until(lambda: not served.client.get("/jobs").json()["jobs"], "the job to be removed")
    page.wait(lambda: page.run("return localStorage.getItem('jobs')") == "[]")


def test_a_job_whose_answer_was_lost_is_found_by_the_next_try(
    page: Playground, served: Gateway, many_pages: Path
) -> None:
    served.layout.regions = [Region("text", (10, 10, 200, 40), 1, 0.9)]
    page.run("""
        const { prototype } = XMLHttpRequest;
        prototype.addEventListener = function (kind, listener) {
          const heard = { error: 'load', load: 'never' }[kind] ?? kind;
          EventTarget.prototype.addEventListener.call(this, heard, listener);
          if (kind === 'load') delete prototype.addEventListener;
        };
    """)
    page.upload(many_pages)
    page.wait_for_state("failed")
    page.await_text("#list .error", "The service does not answer")
    page.click_button("#list", "Try again")
    page.wait_for_state("done")
    assert len(served.client.get("/jobs").json()["jobs"]) == 1
    page.click("#list button.small")
    wait_until(lambda: not served.client.get("/jobs").json()["jobs"], "the job to be removed")


def test_a_job_that_a_proxy_gave_up_is_found_by_the_next_try(
    page: Playground, served: Gateway, many_pages: Path
) -> None:
    served.layout.regions = [Region("text", (10, 10, 200, 40), 1, 0.9)]
    page.run("""
        const { prototype } = XMLHttpRequest;
        for (const [name, value] of Object.entries({ status: 502, responseText: '<h1>Bad Gateway</h1>' })) {
          const real = Object.getOwnPropertyDescriptor(prototype, name);
          const get = () => Object.defineProperty(prototype, name, real) && value;
          Object.defineProperty(prototype, name, { configurable: true, get });
        }
    """)
    page.upload(many_pages)
    page.wait_for_state("failed")
    page.click_button("#list", "Try again")
    page.wait_for_state("done")
    assert len(served.client.get("/jobs").json()["jobs"]) == 1
    page.click("#list button.small")
    wait_until(lambda: not served.client.get("/jobs").json()["jobs"], "the job to be removed")


def test_a_job_that_is_gone_is_read_anew_by_the_next_try(page: Playground, served: Gateway, many_pages: Path) -> None:
    served.layout.regions = [Region("text", (10, 10, 200, 40), 1, 0.9)]
    page.run("""
        const { fetch } = window;
        window.fetch = (url, init) => {
          if (!url.includes('/events')) return fetch(url, init);
          window.fetch = fetch;
          return Promise.resolve(new Response('', { status: 502 }));
        };
    """)
    page.upload(many_pages)
    page.wait_for_state("failed")
    (gone,) = served.client.get("/jobs").json()["jobs"]
    served.client.delete(f"/jobs/{gone['id']}")
    page.click_button("#list", "Try again")
    page.wait_for_state("done")
    (anew,) = served.client.get("/jobs").json()["jobs"]
    assert anew["id"] != gone["id"]
    page.click("#list button.small")
    wait_until(lambda: not served.client.get("/jobs").json()["jobs"], "the job to be removed")


def test_a_warning_leads_to_its_place_and_its_remedy(page: Playground, served: Gateway, printed: Path) -> None:
    served.layout.regions = [Region("text", (10, 10, 210, 40), 1, 0.9), Region("image", (10, 60, 390, 290), 2, 0.9)]
    served.layout.lines = None
    page.read(printed)
    assert len(served.engine.requests) == 1
    page.find("#list-head")
    page.await_text("#list", "incomplete")
    page.click("#tab-report")
    page.await_text(".warnings", "3 lines of text")
    page.click_button(".warnings", "Show")
    assert [box.get_attribute("data-id") for box in page.all(".box.is-selected")] == ["p1-b2"]
    x, y = (int(page.find(".boxes .unread").get_attribute(name) or 0) for name in ("x", "y"))
    assert (x, y) == pytest.approx((40, 96), abs=10)
    page.click("#tab-report")
    page.click_button(".warnings", "Read text in pictures")
    page.wait(lambda: page.states() == ["done", "done"])
    assert len(served.engine.requests) == 3


def test_a_document_is_read_again_with_other_options(page: Playground, served: Gateway, picture: Path) -> None:
    page.read(picture)
    page.click("#options summary")
    page.find("[name=task]").send_keys("formula")
    page.click_button("#list", "Read again")
    page.wait(lambda: page.states() == ["done", "done"])
    assert served.engine.prompts[-1] == "Formula Recognition:"


def test_tables_become_csv(page: Playground, served: Gateway, picture: Path) -> None:
    script_page(served)
    page.read(picture)
    page.click("#tab-tables")
    page.click_button(".table", "Copy as CSV")
    assert list(csv.reader(page.copied().splitlines())) == [["Name", "Sum", ""], ["a", "1", "2"], ["", "3", ""]]


def test_text_is_copied_where_the_browser_gives_no_clipboard(page: Playground, picture: Path) -> None:
    page.read(picture)
    page.run("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.click("#tab-markdown")
    page.click_button("#panel", "Copy page")
    page.await_text("#live", "Copied")
    page.open()
    assert page.copied() == "line one line two\n\nline one line two"


def test_formulas_are_mathml_and_pictures_are_shown(page: Playground, served: Gateway, picture: Path) -> None:
    script_page(served)
    page.read(picture)
    formula = page.find(".block.k-formula math")
    assert page.run("return arguments[0].namespaceURI", formula).endswith("MathML")
    assert formula.text.split() == ["E", "=", "m", "c", "2"]
    page.wait(lambda: page.run("return document.querySelector('.block.k-picture img').naturalWidth") > 0)
    assert page.take_errors() == []


def test_files_are_written(page: Playground, served: Gateway, picture: Path) -> None:
    page.read(picture)
    page.click("#tab-files")
    page.click("[data-format=docx]")
    texts = [paragraph.text for paragraph in Document(str(page.downloaded("letter.docx"))).paragraphs]
    assert texts.count("line one line two") == 2
    page.click("[data-format=json]")
    told = json.loads(page.downloaded("letter.json").read_text())
    assert (told["status"], told["pages"][0]["blocks"][1]["content"]) == ("ok", "line one\nline two")


@pytest.mark.parametrize("is_named", [False, True], ids=["file", "URL"])
@pytest.mark.parametrize("language", ["curl", "Python", "JavaScript"])
def test_the_request_can_be_repeated_elsewhere(
    page: Playground, picture: Path, tmp_path: Path, language: str, *, is_named: bool
) -> None:
    command = {
        "curl": ["sh", "-c"],
        "Python": [sys.executable, "-c"],
        "JavaScript": ["node", "--input-type=module", "-e"],
    }
    if not shutil.which(command[language][0]):
        pytest.skip(f"no {command[language][0]}")
    file = tmp_path / "that's a letter, scanned; twice.png"
    file.write_bytes(picture.read_bytes())
    page.click("#options summary")
    page.find("[name=image_text]").click()
    with origin() as elsewhere:
        elsewhere.files["/letter.png"] = picture.read_bytes()
        if is_named:
            page.find("#url").send_keys(f"{elsewhere.url}/letter.png\n")
            page.wait_for_state("done")
        else:
            page.read(file)
        _repeat(page, tmp_path, command[language], language)


def _repeat(page: Playground, folder: Path, command: Sequence[str], language: str) -> None:
    page.click("#tab-files")
    page.click(f"[data-snippet={language}]")
    page.await_text("#live", "Copied")
    done = subprocess.run([*command, page.copied()], cwd=folder, capture_output=True, text=True, timeout=WAIT_S)
    assert done.stdout.split("\n\n")[0] == "line one line two", done.stderr


def test_a_photo_is_read(page: Playground, picture: Path) -> None:
    page.click("#camera")
    page.click(".camera .primary:not(:disabled)")
    page.wait_for_state("done")
    assert "photo.jpg" in page.text("#list")
