"""Whether the gateway has `/mcp`; what it does there: `tests/paddleocr_vl_client/mcp`."""

from __future__ import annotations

from tests.support.server import Gateway


def test_it_has_none_by_default(served: Gateway) -> None:
    answer = served.client.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
