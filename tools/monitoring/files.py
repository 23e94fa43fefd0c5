"""The panels as Grafana takes them, and the alerts as Prometheus does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from tools.monitoring.alerts import ALERTS
from tools.monitoring.expressions import fill
from tools.monitoring.panels import COLUMNS, SECTIONS, Panel

DASHBOARD, RULES = "dashboard.json", "alerts.yaml"
RUNBOOK = "docs/operation.md#dashboard-and-alerts"
HEIGHT = 8
"""Of each panel, in rows of Grafana's grid."""
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def make_dashboard() -> dict[str, Any]:
    """A dashboard of Grafana 10 or newer, to be imported or provisioned."""
    return {
        "uid": "paddleocr-vl",
        "title": "PaddleOCR-VL",
        "tags": ["ocr"],
        "editable": True,
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_source_variable(), _instance_variable()]},
        "panels": list(_place_panels()),
    }


def make_rules() -> dict[str, Any]:
    """Prometheus' rule file; a PrometheusRule's `spec` too."""
    rules = [
        {
            "alert": alert.name,
            "expr": fill(alert.expression, "", "5m"),
            "for": alert.after,
            "labels": {"severity": alert.severity},
            "annotations": {"summary": alert.summary, "description": alert.remedy, "runbook": RUNBOOK},
        }
        for alert in ALERTS
    ]
    return {"groups": [{"name": "paddleocr-vl", "rules": rules}]}


def make_files() -> Mapping[str, str]:
    """What stands in each of `FOLDERS`, by name."""
    preface = "# Written by `make dashboard` from tools/monitoring/; edit that.\n"
    rules = yaml.safe_dump(make_rules(), sort_keys=False, width=120, allow_unicode=True)
    return {DASHBOARD: json.dumps(make_dashboard(), indent=1, ensure_ascii=False) + "\n", RULES: preface + rules}


def _source_variable() -> dict[str, Any]:
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}


def _instance_variable() -> dict[str, Any]:
    return {
        "name": "instance",
        "type": "query",
        "label": "Gateway",
        "datasource": _SOURCE,
        "query": {"query": "label_values(ocr_ready, instance)", "refId": "instances"},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _place_panels() -> Iterator[dict[str, Any]]:
    number, y = 0, 0
    for section in SECTIONS:
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": section.title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1},
        }
        x, y = 0, y + 1
        for panel in section.panels:
            number += 1
            yield {"id": number, "gridPos": {"x": x, "y": y, "w": panel.width, "h": HEIGHT}, **_describe_panel(panel)}
            x += panel.width
        y += HEIGHT


def _describe_panel(panel: Panel) -> dict[str, Any]:
    targets = [
        {
            "refId": chr(ord("A") + index),
            "datasource": _SOURCE,
            "expr": fill(expression, 'instance=~"$instance"', "$__rate_interval"),
            "legendFormat": legend,
            "exemplar": panel.exemplars,
        }
        for index, (legend, expression) in enumerate(panel.lines.items())
    ]
    return {
        "type": "stat" if panel.is_figure else "timeseries",
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }
