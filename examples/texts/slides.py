"""Words of the slide."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Slide:
    language: str
    title: str
    bullets: tuple[str, ...]
    caption: str
    footer: str
    number: str


ENGLISH = Slide(
    language="en",
    title="Why We Repair Instead of Replace",
    bullets=(
        "Four in five broken appliances need a part that costs less than 5 euros",
        "A repaired toaster keeps 9 kg of carbon dioxide out of the air",
        "Repair evenings bring neighbours to one table",
        "Next step: a shared tool library in every district",
    ),
    caption="Saved in 14 minutes",
    footer="Repair Evenings Network, Spring Meeting 2024",
    number="7",
)
