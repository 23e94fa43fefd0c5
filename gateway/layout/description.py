"""What `inference.yml` says of the model that stands beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from gateway.layout.detections import LABELS

FILE = "inference.yml"


@dataclass(frozen=True, slots=True)
class Description:
    """`name` is None where nothing tells it; `labels` stand at their classes' places."""

    name: str | None = None
    labels: Sequence[str] = LABELS


def read_description(folder: Path, expected: str | None = None) -> Description:
    """ValueError where the file is there and is not that of a PP-DocLayout model of 25 classes, or `expected`."""
    file = folder / FILE
    if not file.is_file():
        return Description()
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        name, labels = (content.get("Global") or {}).get("model_name"), content.get("label_list") or LABELS
    except (yaml.YAMLError, UnicodeDecodeError, AttributeError) as error:
        raise ValueError(f"{file} is no description of a model") from error
    if len(labels) != len(LABELS):
        raise ValueError(f"{file} lists {len(labels)} labels, not {len(LABELS)}")
    if expected and name not in (None, expected):
        raise ValueError(f"{folder} holds {name}")
    # A label that our pipeline has no rule for is taken for what PaddleOCR-VL calls its class.
    return Description(name, [its if its in LABELS else ours for its, ours in zip(labels, LABELS, strict=True)])
