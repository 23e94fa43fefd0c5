"""Whoever is polite is served, and what a service without attackers takes is known to those that attack it."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from tests.hostile.conftest import StartService
from tests.hostile.polite_caller import PoliteCaller


def test_quiet_service(start_service: StartService, call_politely: Callable[..., PoliteCaller]) -> None:
    service = start_service()
    caller = call_politely(service)
    assert caller.pages >= 2
    assert service.rss_mb() < service.tree_rss_mb()
    with httpx.Client(base_url=service.url) as client:
        assert client.get("/livez").status_code == 200
        assert 0 < service.connections() < service.descriptors()
