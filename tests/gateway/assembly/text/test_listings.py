"""Program text among other texts."""

from __future__ import annotations

import pytest

from gateway.assembly.items import make_items
from gateway.assembly.markdown import block_markdown
from gateway.assembly.render import render_html
from gateway.assembly.text.listings import is_listing, write_listing
from gateway.model import Block, PageResult

PYTHON = "def tide(hour):\n    level = read(hour)\n    if level < 2:\n        warn()\n    return level"
LISTINGS = [
    PYTHON,
    "\n".join(f"{number:2}  {line}" for number, line in enumerate(PYTHON.splitlines(), 1)),
    '#include <stdio.h>\nint main(void) {\n  puts("tide");\n  return 0;\n}',
    "SELECT ship, berth\nFROM arrivals\nWHERE berth = 7;",
    '{\n  "ship": "Heron",\n  "berth": 7\n}',
    "gate:\n  open: true\n  hours:\n    from: 9",
    "ann@quay:~/tide$ make\n12 tests passed, 1 failed\nann@quay:~/tide$ cat notes.txt",
    "root@quay:~# make\n12 tests passed, 1 failed\nthe tide is low",
    "ann@quay /var/log2 $ make\n12 tests passed, 1 failed\nann@quay /var/log2 $ exit",
    "[server]\nhost = quay\nport = 8080",
    "$ make tide\n$ ls -l out\n$ git push",
]
OTHERS = [
    "Herr Anton Berger\nLange Gasse 14\n80331 München",
    "Name: Anton Berger\nBerth: 7\nDate: 4 May 2025",
    "– apples;\n– pears (ripe);\n– plums;",
    "Write to ann@quay.example for keys\nor ring the bell\nbefore noon",
    "Elm Glass Ltd\nsales@quay.example 5 % off\nMarsk",
    "Elm Glass Ltd\nsales@quay.example 5% off\nMarsk",
    "office@quay.example Suite # 4\n27 Upper Mill Lane\nsales@quay.example 5 % off",
    "From the office\nfor all captains\nwith kind regards",
    "For each crate that is weighed before noon, the clerk in charge signs;\nreturn it;\nbreak the seal;",
]


@pytest.mark.parametrize("text", LISTINGS)
def test_program_text(text: str) -> None:
    assert is_listing(text)


@pytest.mark.parametrize("text", OTHERS)
def test_other_text(text: str) -> None:
    assert not is_listing(text)


def listing(content: str, label: str = "text") -> str:
    return block_markdown(Block(id="p1-b1", label=label, bbox=(0, 0, 9, 9), order=1, content=content), None, 1000)


@pytest.mark.parametrize("label", ["text", "algorithm"])
def test_markdown_keeps_indentation(label: str) -> None:
    assert listing(PYTHON, label) == f"```\n{PYTHON}\n```"


def test_fence_is_longer_than_those_inside() -> None:
    assert write_listing("a\n````\nb").splitlines()[0] == "`````"


def test_nothing_in_a_listing_opens_a_tag() -> None:
    assert "<script" not in listing("x = 1;\ny = '<script>alert(1)</script>';\nz = 2;")


def test_html_shows_a_listing() -> None:
    page = PageResult(page=1, width=9, height=9, markdown=listing(PYTHON))
    assert "<pre><code>def tide(hour):\n    level" in render_html(page, {})


def test_fences_on_a_page_are_text() -> None:
    page = PageResult(page=1, width=9, height=9, markdown=listing("```\nSome words that stand there"))
    assert "<pre>" not in render_html(page, {})


def test_columns_of_typewriter_print_are_fenced() -> None:
    """A table set with spaces is no program, and would lose its columns as text."""
    rows = " id  owner          weight\n  1  Marsk Timber     31.5\n  2  Orchard Coop      8.0"
    block = Block(id="p1-b1", label="algorithm", bbox=(0, 0, 400, 120), order=1, content=rows)
    assert block_markdown(block, None, 400) == f"```\n{rows}\n```"
    assert "```" not in block_markdown(block.model_copy(update={"content": "a poem\nof three\nlines"}), None, 400)


PRICED = "item        each    total\nRope      $12.00   $30.00\nLantern    $8.50   $17.00"
SHELL = "$ echo   quay\n$ ls -l   out\ntotal     12"


@pytest.mark.parametrize("text", [PRICED, SHELL])
def test_dollars_of_amounts_and_shells_are_no_formulas(text: str) -> None:
    block = Block(id="p1-b1", label="algorithm", bbox=(0, 0, 400, 120), order=1, content=text)
    assert block_markdown(block, None, 400) == f"```\n{text}\n```"
    assert [(item.label, item.text) for item in make_items([block])] == [("code", text)]


def test_formula_bars_a_fence() -> None:
    assert "```" not in listing("let   $x_1$   be\nlet   $x_2$   be\nlet   $x_3$   be", "algorithm")
