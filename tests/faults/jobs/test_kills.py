"""All that a company runs, on this machine: three gateways, two engines, Postgres, a bucket, Prometheus. Each is killed
in turn under load: what was acknowledged is read, an alert fires, and is over when what was killed is back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx
import pytest
import yaml

from tests.support.fleet import Fleet, await_end, find_faults, fleet, numbered_pages, post, read_size, submit
from tests.support.postgres_server import PostgresServer
from tests.support.prometheus import Prometheus, prometheus
from tests.support.s3_server import S3Server, s3_server
from tests.support.service_process import Service
from tests.support.stub_engine import StubEngine
from tests.support.waiting import wait_until
from tools.monitoring.files import make_rules

GATEWAYS, PAGES = 3, 3
DOCUMENT = numbered_pages(PAGES)
PAUSE_S = 0.2
SOON, LOOK_BACK = "1s", "10s"
"""In place of the minutes after which alerts fire, and of those over which they look."""


@dataclass
class Load:
    """Two clients that don't stop: jobs, and documents that are answered at once, at one gateway after the other."""

    gateways: Fleet
    jobs: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    refused: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Load:
        self._threads = [threading.Thread(target=self._run, args=(send,)) for send in (self._submit, self._read)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _run(self, send: Callable[[Service], None]) -> None:
        for number in count():
            running = list(self.gateways.gateways)
            try:
                send(running[number % len(running)])
            except (httpx.HTTPError, AssertionError):
                self.refused += 1
            if self._ended.wait(PAUSE_S):
                return

    def _submit(self, service: Service) -> None:
        self.jobs.append(submit(service, DOCUMENT))

    def _read(self, service: Service) -> None:
        answer = post(service, "/ocr", DOCUMENT)
        assert answer.status_code == 200
        self.answers.append(answer.json()["markdown"])

    def await_more(self) -> None:
        """Until some more of both came through."""
        jobs, answers = len(self.jobs) + 3, len(self.answers) + 3
        wait_until(lambda: len(self.jobs) >= jobs and len(self.answers) >= answers, "more documents")


@dataclass
class Town:
    gateways: Fleet
    engines: tuple[StubEngine, StubEngine]
    postgres: PostgresServer
    s3: S3Server
    watch: Prometheus
    load: Load

    def await_alert(self, name: str) -> None:
        wait_until(lambda: self._is_firing(name), f"{name} to fire", self.watch.log)

    def await_peace(self, name: str) -> None:
        wait_until(lambda: not self._is_firing(name), f"{name} to end", self.watch.log)

    def _is_firing(self, name: str) -> bool:
        return bool(self.watch.query(f'ALERTS{{alertname="{name}",alertstate="firing"}}'))


def write_hasty_rules(path: Path) -> Path:
    rules = make_rules()
    for rule in rules["groups"][0]["rules"]:
        rule["for"] = SOON
        rule["expr"] = rule["expr"].replace("[5m]", f"[{LOOK_BACK}]")
    path.write_text(yaml.safe_dump(rules))
    return path


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[Town]:
    folder, watched = tmp_path_factory.mktemp("fleet"), tmp_path_factory.mktemp("prometheus")
    with (
        StubEngine(answer=read_size) as one,
        StubEngine(answer=read_size) as other,
        s3_server(tmp_path_factory.mktemp("s3")) as s3,
    ):
        settings = {
            **s3.settings, "data_store": "bucket", "s3_timeout_s": "3", "database_url": postgres.url("town"),
            "vlm_base_url": f"{one.base_url},{other.base_url}",
        }  # fmt: skip
        with fleet(folder, one, **settings) as gateways:
            for number in range(GATEWAYS):
                gateways.start(data_dir=str(folder / f"data-{number}"))
            targets = [f"127.0.0.1:{service.port}" for service in gateways.gateways]
            rules = write_hasty_rules(watched / "rules.yaml")
            with prometheus(watched, targets, rules) as watch, Load(gateways) as load:
                running = Town(gateways, (one, other), postgres, s3, watch, load)
                wait_until(lambda: len(watch.query("ocr_ready == 1")) == GATEWAYS, "a scrape", watch.log)
                load.await_more()
                yield running


def test_a_gateway_is_killed(town: Town) -> None:
    killed = town.gateways.gateways[0]
    town.gateways.kill(killed)
    town.await_alert("PaddleOcrVlGatewayLost")
    town.load.await_more()
    town.gateways.start(port=killed.port, data_dir=str(town.gateways.folder / "data-again"))
    town.await_peace("PaddleOcrVlGatewayLost")


def test_an_engine_is_killed(town: Town) -> None:
    town.engines[1].kill()
    town.await_alert("PaddleOcrVlEngineLost")
    town.load.await_more()
    town.engines[1].start()
    town.await_peace("PaddleOcrVlEngineLost")


def test_the_database_is_killed(town: Town) -> None:
    town.postgres.stop()
    town.await_alert("PaddleOcrVlJobsUnavailable")
    answers = len(town.load.answers)
    wait_until(lambda: len(town.load.answers) > answers, "a document that needs no database")
    town.postgres.start()
    town.await_peace("PaddleOcrVlJobsUnavailable")


def test_the_bucket_is_killed(town: Town) -> None:
    town.s3.kill()
    town.await_alert("PaddleOcrVlErrors")
    answers = len(town.load.answers)
    wait_until(lambda: len(town.load.answers) > answers, "a document that needs no bucket")
    town.s3.start()
    town.await_peace("PaddleOcrVlErrors")


def test_prometheus_is_killed(town: Town) -> None:
    town.watch.kill()
    town.load.await_more()
    town.watch.start()
    town.engines[0].kill()
    town.await_alert("PaddleOcrVlEngineLost")
    town.engines[0].start()
    town.await_peace("PaddleOcrVlEngineLost")


def test_nothing_that_was_acknowledged_is_lost(town: Town) -> None:
    town.load.await_more()
    served = town.gateways.gateways[0]
    expected = post(served, "/ocr", DOCUMENT).json()["markdown"]
    assert expected.count("pixels") == PAGES
    acknowledged = list(town.load.jobs)
    await_end(served, acknowledged)
    assert find_faults(served, acknowledged, expected, PAGES) == []
    assert set(town.load.answers) == {expected}
