"""A meter on a machine on which nothing else happens."""

from __future__ import annotations

from benchmarks.meter import Meter


class QuietMeter(Meter):
    def __init__(self) -> None:
        super().__init__({})

    def read(self) -> dict[str, float]:
        return dict.fromkeys(("client", "gateway", "vlm", "machine"), 0.0)
