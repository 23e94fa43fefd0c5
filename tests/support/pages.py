"""A page with one block of each kind that dialects tell apart, laid out and read as scripted."""

from __future__ import annotations

from gateway.model import Region
from tests.support.server import Gateway
from tests.support.stub_engine import Reply, StubRequest

_HEIGHT = 25
CONTENTS = (
    ("header", "Running head"),
    ("doc_title", "A title"),
    ("paragraph_title", "1.1 A part"),
    ("text", "- first\n- second"),
    ("table", "<fcel>Name<fcel>Sum<lcel><nl><fcel>a<fcel>1<fcel>2<nl><ucel><fcel>3<ecel><nl>"),
    ("image", ""),
    ("figure_title", "Figure 1. A picture"),
    ("display_formula", r"\[ E = m c^2 \]"),
    ("text", "A sentence at\nthe end."),
    ("number", "7"),
)
"""Labels from top to bottom, each with what the engine reads there."""


def script_page(served: Gateway) -> None:
    """Each page of the gateway holds `CONTENTS`. Regions have widths of their own, by which their crops are known."""
    served.layout.regions = [
        Region(label, (20, 29 * at, 20 + _width(at), 29 * at + _HEIGHT), at + 1, 0.9)
        for at, (label, _) in enumerate(CONTENTS)
    ]
    served.engine.answer = _read


def _width(at: int) -> int:
    return 100 + 25 * at


def _read(request: StubRequest) -> Reply:
    width, _ = request.size
    nearest = min(range(len(CONTENTS)), key=lambda at: abs(_width(at) - width))
    return Reply(CONTENTS[nearest][1])
