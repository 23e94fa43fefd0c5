"""Links and pictures of the documents lead to files and headings that exist; both READMEs say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    {
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("deploy/**/*.md"),
        *ROOT.glob("benchmarks/results/*.md"),
    }
)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def prose(page: Path) -> str:
    """The page without its code."""
    return INLINE.sub("", FENCE.sub("", page.read_text(encoding="utf-8")))


def anchors(page: Path) -> set[str]:
    """What a forge makes of the headings: small letters, hyphens for spaces, no other marks."""
    headings = (
        re.sub(r"[^\w\- ]", "", heading.lower())
        for heading in HEADING.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    )
    return {heading.strip().replace(" ", "-") for heading in headings}


def broken(page: Path) -> Iterator[str]:
    for link in LINK.findall(prose(page)):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if re.match(r"[a-z]+:", link):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_resolve(page: Path) -> None:
    assert list(broken(page)) == []


def test_every_document_can_be_reached_from_the_readme() -> None:
    seen, ahead = set[Path](), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        seen.add(page)
        links = (page.parent / link.partition("#")[0] for link in LINK.findall(prose(page)) if ":" not in link)
        ahead += [link.resolve() for link in links if link.suffix == ".md" and link.resolve() not in seen]
    assert sorted({*ROOT.glob("docs/**/*.md")} - seen) == []


def test_the_russian_readme_names_the_same_commands() -> None:
    def commands(name: str) -> list[str]:
        text = (ROOT / name).read_text(encoding="utf-8")
        lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
        return [re.sub(r"article-\w+", "article", line.partition("#")[0].strip()) for line in lines]

    assert commands("README.ru.md") == commands("README.md")
