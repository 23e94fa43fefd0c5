"""Words of the photographed receipt."""

from __future__ import annotations

from dataclasses import dataclass

from examples.texts.tables import Cell, Rows


@dataclass(frozen=True, slots=True)
class Receipt:
    """Lines above the items, the items with their total, and lines below."""

    language: str
    shop: str
    head: tuple[str, ...]
    rows: Rows
    foot: tuple[str, ...]


ENGLISH = Receipt(
    language="en",
    shop="CORNER BAKERY",
    head=("14 Mill Lane, Millbrook", "Receipt No. 20417", "18 November 2023, 09:42"),
    rows=(
        ("Item", "Qty", "Price"),
        ("Rye loaf", "1", "3.40"),
        ("Poppy seed roll", "4", "2.80"),
        ("Apple turnover", "2", "4.50"),
        ("Coffee, large", "1", "2.95"),
        (Cell("Total", colspan=2), "13.65"),
    ),
    foot=("Paid by card", "Thank you and see you tomorrow"),
)
