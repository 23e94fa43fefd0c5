"""Whether the gateway has `/mcp`; what it does there: `tests/paddleocr_vl_client/mcp`."""

from __future__ import annotations

from pathlib import Path

from tests.support.server import Gateway, gateway

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


def test_it_has_none_by_default(served: Gateway) -> None:
    answer = served.client.post("/mcp", json=PING)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_calls_are_small(tmp_path: Path) -> None:
    """They are parsed in the process that answers probes."""
    headers = {"Accept": "application/json, text/event-stream"}
    with gateway(tmp_path, mcp=True) as served:
        assert served.client.post("/mcp", json=PING, headers=headers).status_code == 200
        large = {**PING, "params": {"x": [{}] * 10_000}}
        answer = served.client.post("/mcp", json=large, headers=headers)
        assert answer.status_code == 413
        unknown = {**PING, "method": "tools/call", "params": {"name": "x" * 15_000, "arguments": {}}}
        assert len(served.client.post("/mcp", json=unknown, headers=headers).content) < 16_000
