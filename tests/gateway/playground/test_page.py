"""The playground as a page: whom it trusts, what it weighs, and whether people can use it as they are."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import psutil
import pytest
from selenium.webdriver.common.keys import Keys

from tests.support.browser import Playground, open_playground
from tests.support.pages import script_page
from tests.support.server import Gateway, gateway
from tests.support.stub_engine import Reply

KEY = "a-key-of-the-service"
MAX_KB, MAX_REQUESTS = 150, 12
MAX_GROWTH_MB = 500
HOSTILE = [
    "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>",
    "</article><svg onload=\"document.title='owned'\"> [x](javascript:document.title='owned')",
]


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("locked"), api_keys=KEY) as running:
        yield running


@pytest.fixture(scope="module")
def locked_page(locked: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playground]:
    with open_playground(tmp_path_factory.mktemp("browser"), locked.url) as page:
        yield page


def test_a_key_is_asked_for_and_kept_in_the_tab(locked_page: Playground, picture: Path) -> None:
    locked_page.open()
    locked_page.upload(picture)
    field = locked_page.find("#key-dialog[open] #key-value")
    locked_page.await_text("#key-reason", "wants a key")
    field.send_keys("another", Keys.ENTER)
    locked_page.await_text("#key-reason", "does not take this key")
    locked_page.find("#key-value").clear()
    locked_page.find("#key-value").send_keys(KEY, Keys.ENTER)
    locked_page.wait_for_state("done")
    assert locked_page.run("return [...Object.values(localStorage), document.cookie].join()").find(KEY) == -1
    locked_page.driver.switch_to.new_window("tab")
    locked_page.open(keeps_storage=True)
    assert locked_page.run("return sessionStorage.length") == 0


def test_what_a_document_holds_stays_text(page: Playground, served: Gateway, tmp_path: Path, picture: Path) -> None:
    table = f"<fcel>{HOSTILE[0]}<fcel>{HOSTILE[1]}<nl>"
    served.engine.script.extend([Reply(HOSTILE[0]), Reply(HOSTILE[1])])
    named = tmp_path / "<img src=x onerror=alert(1)>.png"
    named.write_bytes(picture.read_bytes())
    page.read(named)
    texts = [item.text for item in page.all(".block .content")]
    assert "<script>" in texts[0]
    assert "<svg" in texts[1]
    assert "<img src=x" in page.text("#list")
    served.layout.regions = [region.__class__("table", region.bbox, region.order) for region in served.layout.regions]
    served.engine.answer = lambda _request: Reply(table)
    page.read(picture)
    for tab in ("text", "tables", "json", "markdown", "report"):
        page.click(f"#tab-{tab}")
        page.find(f"#panel[data-tab={tab}] > *")
    assert page.run("return document.title") == "paddleocr-vl-service"
    inside = (
        "return document.querySelectorAll('#results script, #results svg, #results a[href], #results [onerror]').length"
    )
    assert page.run(inside) == 0


def test_a_name_shows_the_signs_that_turn_it_around(page: Playground, tmp_path: Path, picture: Path) -> None:
    named = tmp_path / "invoice\u202egnp.scr\u200b.png"
    named.write_bytes(picture.read_bytes())
    page.read(named)
    assert page.text("#list .name") == "invoice\ufffdgnp.scr\ufffd.png"
    page.click("#tab-files")
    page.click("[data-snippet=JavaScript]")
    page.wait(lambda: named.name in page.copied())
    page.click("[data-format=json]")
    assert "\u202e" not in page.downloaded("invoice*.json").name


def test_nothing_but_the_service_is_asked(page: Playground, picture: Path) -> None:
    page.read(picture)
    asked = page.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert asked
    assert {url.removeprefix("blob:").startswith(page.url) for url in asked} == {True}
    assert page.take_errors() == []


def test_scripts_and_styles_of_others_are_refused(page: Playground) -> None:
    refused = page.driver.execute_async_script(
        "addEventListener('securitypolicyviolation', (event) => arguments[0](event.effectiveDirective));"
        "const sheet = document.createElement('link'); sheet.rel = 'stylesheet'; sheet.href = 'https://evil.example/';"
        "document.head.append(sheet);"
    )
    assert refused == "style-src-elem"
    tried = "try { document.body.innerHTML = '<b>x</b>'; return 'set' } catch { return 'refused' }"
    assert page.run(tried) == "refused"


def test_the_first_load_is_small(page: Playground) -> None:
    entries = page.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    bodies = [page.driver.execute_async_script(
        "const tell = arguments[1]; fetch(arguments[0]).then((answer) => answer.text()).then(tell)", url
    ) for url in [page.url, *entries]]  # fmt: skip
    assert len(bodies) <= MAX_REQUESTS
    assert sum(len(gzip.compress(body.encode())) for body in bodies) <= MAX_KB * 1000


def serious_faults(page: Playground) -> list[str]:
    """What axe-core finds that keeps people out."""
    axe = files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    page.driver.execute_cdp_cmd("Runtime.evaluate", {"expression": axe})
    found = page.driver.execute_async_script("axe.run().then((found) => arguments[0](found.violations))")
    return [
        f"{fault['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]


def test_axe_finds_what_keeps_people_out(page: Playground) -> None:
    page.run("document.querySelector('main').append(document.createElement('button'))")
    assert [fault.partition(":")[0] for fault in serious_faults(page)] == ["button-name"]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1360, 390])
def test_axe_finds_nothing_serious(
    page: Playground, served: Gateway, three_pages: Path, theme: str, width: int
) -> None:
    script_page(served)
    page.emulate(width=width, theme=theme)
    assert serious_faults(page) == []
    page.click("#options summary")
    page.find("[name=pages]")
    assert serious_faults(page) == []
    page.read(three_pages)
    if width < 800:
        page.click("#views [data-view=results]")
    for tab in ("text", "markdown", "json", "tables", "files", "report"):
        page.click(f"#tab-{tab}")
        page.find(f"#panel[data-tab={tab}] > *")
        assert serious_faults(page) == [], tab
    if width < 800:
        page.click("#views [data-view=page]")
    page.click(".menu summary")
    for name in ("order", "lines", "words", "unsure", "unread"):
        page.click(f".menu input[name={name}]")
    assert serious_faults(page) == []
    page.click(".menu summary")
    page.click("#help-open")
    assert serious_faults(page) == []


def test_a_narrow_screen_shows_one_thing_at_a_time(page: Playground, picture: Path) -> None:
    page.emulate(width=390, height=800)
    page.read(picture)
    for view in ("files", "page", "results"):
        page.click(f"#views [data-view={view}]")
        assert [part.get_attribute("id") for part in page.all(".work > section") if part.is_displayed()] == [view]
        assert page.run("return document.documentElement.scrollWidth") <= 390


def test_dark_and_light(page: Playground) -> None:
    def ground() -> str:
        return page.find("body").value_of_css_property("background-color")

    light = ground()
    page.emulate(theme="dark")
    dark = ground()
    assert light != dark
    page.click("#theme")
    assert ground() == light
    page.open(keeps_storage=True)
    assert ground() == light


@pytest.mark.parametrize(("language", "title"), [("ru", "Документы"), ("zh", "文档")])
def test_other_languages(page: Playground, picture: Path, language: str, title: str) -> None:
    page.read(picture)
    page.find("#language").send_keys({"ru": "Р", "zh": "中"}[language])
    page.await_text("#list-head", title)
    assert page.run("return document.documentElement.lang") == language
    lacking = page.driver.execute_async_script(
        "const [language, tell] = arguments;"
        "Promise.all(['en', language].map((name) => import(`/playground/texts-${name}.js`)))"
        ".then(([english, other]) => tell(Object.keys(english.default).filter((key) => !(key in other.default))))",
        language,
    )
    assert [key for key in lacking if not key.startswith("choice_")] == []
    page.open(keeps_storage=True)
    assert page.run("return document.documentElement.lang") == language


def test_right_to_left_text(page: Playground, served: Gateway, picture: Path) -> None:
    served.engine.answer = lambda _request: Reply("שלום עולם")
    page.read(picture)
    assert page.find(".block .content").value_of_css_property("direction") == "rtl"


def test_zoom_and_rotation(page: Playground, picture: Path) -> None:
    def size() -> tuple[float, float]:
        box = page.run("return document.querySelector('.picture').getBoundingClientRect()")
        return float(box["width"]), float(box["height"])

    page.read(picture)
    whole = size()
    page.click("[aria-label=Larger]")
    page.wait(lambda: size()[0] > whole[0])
    page.click("[aria-label=Turn]")
    page.wait(lambda: size()[1] > size()[0])
    page.click("[aria-label='Whole page']")
    page.wait(lambda: size()[1] <= page.find(".viewport").rect["height"])
    assert size()[1] > size()[0]


def test_page_and_text_share_the_width(page: Playground, picture: Path) -> None:
    page.read(picture)
    before = page.find("#page").rect["width"]
    page.find("#split").send_keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    page.wait(lambda: page.find("#page").rect["width"] < before)


def test_hundreds_of_pages_fit_into_memory(page: Playground, two_hundred_pages: Path) -> None:
    before = memory_mb(page)
    page.read(two_hundred_pages)
    page.wait(lambda: len(page.all(".strip li")) == 200)
    assert page.states() == ["done"]
    for number in range(1, 201, 10):
        page.run("document.querySelector(`[data-page='${arguments[0]}'] button`).click()", number)
        page.find(f".picture[data-page='{number}']")
    assert memory_mb(page) - before < MAX_GROWTH_MB


def memory_mb(page: Playground) -> float:
    """Of the processes of the browser that hold pages, MB of 10^6 bytes."""
    processes = psutil.Process(page.driver.service.process.pid).children(recursive=True)
    renderers = [one for one in processes if "--type=renderer" in " ".join(one.cmdline())]
    assert renderers
    return sum(float(one.memory_info().rss) for one in renderers) / 1e6
