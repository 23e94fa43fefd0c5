"""Words of the page that the service reads at start to see that the whole path works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SelfCheck:
    language: str
    title: str
    left: str
    right: str


ENGLISH = SelfCheck(
    language="en",
    title="Self-check",
    left="This page is read once at every start. If these words come back in order, the service can read documents.",
    right="The right column follows the left one. Seven quiet ships waited outside the harbour until the fog lifted.",
)
