"""PaddleX's own PaddleOCR-VL pipeline and ours do the same, but for what is listed with its reason.

Both get the same pages, the same output of the layout network and the same answers of the VLM; `build/differential.md`
says what was compared. PaddleX runs in an environment of its own (`make test-differential`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from gateway.labels import LABELS
from tests.differential.cases import Case
from tests.differential.comparison import ENCODING_LOSS, deviations, distance
from tests.differential.content_pages import content_cases
from tests.differential.differences import DIFFERENCES, explanation
from tests.differential.document_pages import document_cases, sample_cases
from tests.differential.drawing import column, sheet
from tests.differential.layout_pages import layout_cases
from tests.differential.mends import MENDED, MENDS
from tests.differential.recording import Recorder
from tests.differential.report import ROOT, Compared, unlisted, write_report
from tests.differential.sides import ask_official, ask_ours, official, ours
from tests.support.samples import has_omnidocbench

ENVIRONMENT = ROOT / ".venv-paddlex"
LEAST_PAGES = 30

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> list[Compared]:
    if not (ENVIRONMENT / "installed-requirements.txt").exists():
        pytest.skip("paddlex is not installed (make test-differential)")
    MENDED.clear()
    found = list(_compared(ENVIRONMENT / "bin" / "python", tmp_path_factory.mktemp("differential")))
    write_report(found)
    return found


def test_every_difference_is_listed(compared: list[Compared]) -> None:
    assert [other for one in compared for other in unlisted(one.found)] == []


def test_every_listed_difference_is_seen(compared: list[Compared]) -> None:
    seen = {known.name for one in compared for other in one.found if (known := explanation(other))}
    assert [one.name for one in DIFFERENCES if one.name not in seen] == []
    assert [one.name for one in MENDS if not MENDED[one.name]] == []


def test_enough_was_compared(compared: list[Compared]) -> None:
    boxes = [box for one in compared for sheet in one.case.sheets for box in sheet.seen]
    assert {box.label for box in boxes} == LABELS
    assert sum(len(one.case.sheets) for one in compared) >= LEAST_PAGES
    samples = [one for one in compared if one.case.name.startswith("sample")]
    assert len(samples) == (9 if has_omnidocbench() else 0)
    assert all(one.theirs.error is None and one.theirs.pages for one in compared)


def test_a_crop_moved_by_a_pixel_is_no_encoding_loss() -> None:
    page = sheet("moved", column([("text", "")])).pixels
    assert distance(page[30:70, 40:540], page[31:71, 40:540], (1204, 112)) > ENCODING_LOSS


def _compared(python: Path, folder: Path) -> Iterator[Compared]:
    recorder = Recorder()
    with recorder.engine, official(python, recorder) as child, ours(recorder, folder / "gateway") as (client, layout):
        for case in _cases():
            theirs = ask_official(child, recorder, case, folder)
            our = ask_ours(client, layout, recorder, case)
            yield Compared(case, theirs, our, deviations(case, theirs, our))


def _cases() -> Sequence[Case]:
    return [*layout_cases(), *content_cases(), *document_cases(), *sample_cases()]
