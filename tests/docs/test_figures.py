"""The figures of the documents are those of the tables that the benchmarks wrote."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.figures import BEGIN, END, PAGES, Cell, page_text

ROOT = Path(__file__).resolve().parents[2]
MOST_WORDS = 800
MEASURED = re.compile(r"\d+(?:\.\d+)? ?(?:%|×|ms\b|s\b|MB\b|GB\b|pages/s|times\b)|\b0\.\d+")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_figures_are_those_of_the_results(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert page_text(text, PAGES[page]) == text, "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_beside_the_figures_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {figure.command.split()[1] for figure in PAGES[page]}
    assert named <= targets


def test_the_readme_is_one_screen_without_figures_of_its_own() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.split()) < MOST_WORDS
    prose = re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", "", text, flags=re.DOTALL)
    assert MEASURED.findall(prose) == []


def test_a_cell_that_is_not_there_is_no_figure() -> None:
    with pytest.raises(LookupError):
        Cell("gateway", ("16", "nobody"), "pages/s").read()
    with pytest.raises(LookupError):
        Cell("gateway", ("16", "gateway"), "pages/s", "## No such heading").read()
