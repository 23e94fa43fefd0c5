"""The dashboard and the alert rules: made by the command, true of the gateway's metrics, right for Prometheus."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.gateway.conftest import encoded
from tests.support.prometheus import Prometheus, prometheus, run_promtool
from tests.support.server import Gateway, gateway
from tests.support.waiting import wait_until
from tools.monitoring.__main__ import FOLDERS
from tools.monitoring.files import RULES, make_dashboard, make_files, make_rules
from tools.monitoring.panels import COLUMNS

KEY = "key-of-the-tests"
METRIC = re.compile(r"\bocr_[a-z_]+")
EXPRESSIONS = [
    target["expr"].replace('instance=~"$instance"', 'instance=~".*"').replace("$__rate_interval", "5m")
    for panel in make_dashboard()["panels"]
    for target in panel.get("targets", ())
]
RULE_EXPRESSIONS = [rule["expr"] for rule in make_rules()["groups"][0]["rules"]]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with all that has metrics of its own: keys and jobs. It has read a document."""
    with gateway(tmp_path_factory.mktemp("gateway"), jobs=True, api_keys=KEY) as running:
        running.client.headers["x-api-key"] = KEY
        assert running.read(encoded("PNG")).status_code == 200
        yield running


@pytest.fixture(scope="module")
def scraping(served: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    authorization = {"authorization": {"credentials": KEY}}
    with prometheus(folder, [served.url.removeprefix("http://")], FOLDERS[0] / RULES, authorization) as running:
        wait_until(lambda: running.query("ocr_ready == 1"), "a scrape", running.log)
        yield running


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_committed_files_are_what_the_command_makes(folder: Path) -> None:
    for name, text in make_files().items():
        assert (folder / name).read_text(encoding="utf-8") == text, "run `make dashboard`"


def test_every_metric_that_is_named_exists(served: Gateway) -> None:
    text = served.client.get("/metrics").text
    existing = set(re.findall(r"^(ocr_[a-z_]+)", text, re.MULTILINE))
    named = {name for expression in (*EXPRESSIONS, *RULE_EXPRESSIONS) for name in METRIC.findall(expression)}
    assert len(named) > 20
    assert named <= existing


def test_panels_stand_beside_each_other() -> None:
    panels = make_dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) == COLUMNS - 1


def test_promtool_takes_the_rules() -> None:
    checked = run_promtool("check", "rules", "--lint-fatal", FOLDERS[0] / RULES)
    assert checked.returncode == 0, checked.stderr
    assert f"{len(RULE_EXPRESSIONS)} rules found" in checked.stdout


def test_prometheus_answers_every_panel(scraping: Prometheus) -> None:
    unanswered = list(EXPRESSIONS)

    def are_answered() -> bool:
        """Rates need a second scrape."""
        unanswered[:] = [expression for expression in unanswered if not scraping.query(expression)]
        return not unanswered

    wait_until(are_answered, "an answer to each query")


def test_prometheus_evaluates_every_rule_and_none_fires(scraping: Prometheus) -> None:
    def rules() -> list[dict[str, Any]]:
        return [rule for group in scraping.get("rules")["groups"] for rule in group["rules"]]

    wait_until(lambda: all(rule["health"] != "unknown" for rule in rules()), "an evaluation of each rule")
    assert [rule["name"] for rule in rules() if rule["health"] != "ok"] == []
    assert [rule["name"] for rule in rules() if rule["state"] == "firing"] == []


READY, JOBS = 'ocr_ready{job="ocr",instance="a:8081"}', 'ocr_jobs_available{instance="a:8081"}'
UP, ENGINE = 'up{job="ocr",instance="a:8081"}', 'ocr_engine_ready{job="ocr",instance="a:8081",engine="1"}'
ANSWERED, REFUSED, BROKEN = (f'ocr_requests_total{{route="/ocr",status="{status}"}}' for status in (200, 429, 503))
PROBES = 'ocr_requests_total{route="/readyz",status="503"}'
READ, FAILED = (f'ocr_pages_total{{status="{status}"}}' for status in ("ok", "failed"))
STAGE = 'ocr_stage_duration_seconds_bucket{{stage="recognition",le="{}"}}'
LAG = 'ocr_event_loop_lag_seconds_bucket{{le="{}"}}'
UNFINISHED, READING = 'ocr_jobs_unfinished{job="ocr"}', 'ocr_jobs_reading{job="ocr"}'


def slow_then_fast(bucket: str, fast: float, slow: float) -> dict[str, str]:
    """For 40 minutes one in ten is done within `fast`, and all within `slow`; then all within `fast`."""
    return {bucket.format(fast): "0+1x40 40+10x50", bucket.format(slow): "0+10x90", bucket.format("+Inf"): "0+10x90"}


CASES: dict[str, tuple[dict[str, str], str, str]] = {
    # Series by minutes in promtool's notation; when the alert fires, when it is over.
    "PaddleOcrVlAbsent": ({READY: "_x10 1x50"}, "9m", "12m"),
    "PaddleOcrVlDown": ({READY: "1x5 0x10 1x50"}, "14m", "20m"),
    "PaddleOcrVlNotReady": ({READY: "0x40 1x40"}, "39m", "45m"),
    "PaddleOcrVlGatewayLost": ({READY: "1x5 _x50", UP: "1x5 0x20 1x30"}, "14m", "30m"),
    "PaddleOcrVlEngineLost": ({READY: "1x60", ENGINE: "1x5 0x20 1x35"}, "20m", "30m"),
    "PaddleOcrVlErrors": ({ANSWERED: "0+100x90", BROKEN: "0+2x40 80x50"}, "30m", "60m"),
    "PaddleOcrVlRefuses": ({ANSWERED: "0+100x90", REFUSED: "0+10x40 400x50"}, "35m", "60m"),
    "PaddleOcrVlPagesFail": ({READ: "0+100x90", FAILED: "0+10x40 400x50"}, "35m", "60m"),
    "PaddleOcrVlSlow": (slow_then_fast(STAGE, 30, 100), "35m", "60m"),
    "PaddleOcrVlLoopLags": (slow_then_fast(LAG, 0.25, 1), "35m", "60m"),
    "PaddleOcrVlJobsUnavailable": ({JOBS: "0x20 1x20"}, "15m", "25m"),
    "PaddleOcrVlJobsStuck": ({UNFINISHED: "3x90", READING: "0x45 1x45"}, "40m", "60m"),
}


def test_every_alert_has_a_case() -> None:
    assert {rule["alert"] for rule in make_rules()["groups"][0]["rules"]} == set(CASES)


@pytest.mark.parametrize("alert", CASES)
def test_an_alert_fires_and_ends(alert: str, tmp_path: Path) -> None:
    given, fires, is_over = CASES[alert]
    check_firing(tmp_path, alert, given, {fires: True, is_over: False})


@pytest.mark.parametrize(
    ("alert", "given"),
    [
        # Another exporter that is away, and the only engine of a gateway that starts.
        ("PaddleOcrVlGatewayLost", {READY: "1x60", UP: "1x60", 'up{job="ocr",instance="b:9100"}': "0x60"}),
        ("PaddleOcrVlEngineLost", {READY: "0x60", ENGINE: "0x60"}),
    ],
)
def test_what_is_none_of_an_alerts_stays_silent(alert: str, given: dict[str, str], tmp_path: Path) -> None:
    check_firing(tmp_path, alert, given, {"50m": False})


def test_probes_that_say_no_are_no_errors(tmp_path: Path) -> None:
    check_firing(tmp_path, "PaddleOcrVlErrors", {ANSWERED: "0+100x90", PROBES: "0+100x90"}, {"60m": False})


def check_firing(folder: Path, alert: str, given: Mapping[str, str], moments: Mapping[str, bool]) -> None:
    """Has promtool compute the rules over the series; `moments`: whether the alert fires then."""
    expected = [
        {
            "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})',
            "eval_time": moment,
            "exp_samples": [{"labels": "{}", "value": 1}] if is_firing else [],
        }
        for moment, is_firing in moments.items()
    ]
    series = [{"series": name, "values": values} for name, values in given.items()]
    test = {"interval": "1m", "input_series": series, "promql_expr_test": expected}
    file = folder / "test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(FOLDERS[0] / RULES)], "tests": [test]}))
    tested = run_promtool("test", "rules", file)
    assert tested.returncode == 0, tested.stdout + tested.stderr
