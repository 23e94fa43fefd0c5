"""What supervisord says of itself stands in the log like what the programs say."""

from __future__ import annotations

import json

import pytest
from supervisor import loggers

from supervision.supervisor import log_like_the_programs


@pytest.fixture
def logger() -> loggers.Logger:
    return loggers.getLogger(loggers.LevelsByName.INFO)


def test_a_line_is_an_object_with_the_programs_names(
    logger: loggers.Logger, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_FORMAT", "json")
    log_like_the_programs(logger, "")
    logger.warn('stopped: "gateway" 100%')
    line = json.loads(capsys.readouterr().out)
    assert line.pop("ts").endswith("Z")
    assert line == {"level": "warning", "logger": "supervisord", "event": 'stopped: "gateway" 100%'}


def test_for_eyes_it_is_a_plain_line(
    logger: loggers.Logger, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_FORMAT", "console")
    log_like_the_programs(logger, "")
    logger.info("spawned")
    logger.debug("not asked for")
    assert capsys.readouterr().out.endswith("[info] supervisord: spawned\n")
