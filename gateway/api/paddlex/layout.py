"""What a PaddleX request asks of the layout: its fields by class to ours by label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from gateway.api.paddlex.request import LayoutParsingRequest
from gateway.layout.base import LayoutDetector
from gateway.layout.detections import LABELS
from gateway.model import LayoutOptions, Stretch

_FIELDS = {"nms": "layoutNms", "merge": "layoutMergeBboxesMode", "shape": "layoutShapeMode"}

Value = TypeVar("Value")


def layout_options(wishes: LayoutParsingRequest) -> LayoutOptions:
    threshold, ratio, merge = wishes.layout_threshold, wishes.layout_unclip_ratio, wishes.layout_merge_bboxes_mode
    return LayoutOptions(
        threshold=_by_label(threshold) if isinstance(threshold, Mapping) else threshold,
        nms=wishes.layout_nms is not False,
        stretch=_stretches(ratio),
        merge=_by_label(merge) if isinstance(merge, Mapping) else merge,
        shape=wishes.layout_shape_mode or "auto",
    )


def layout_warnings(layout: LayoutDetector, options: LayoutOptions) -> Sequence[str]:
    """What is not as asked for: another layout model serves, or it can't do what the request wants of it."""
    fields = ", ".join(f"`{_FIELDS[name]}`" for name in layout.unheeded(options))
    unheeded = f"{fields}: no effect with the layout model {layout.name}" if fields else None
    return [warning for warning in (layout.warning, unheeded) if warning]


def _by_label(values: Mapping[str, Value]) -> dict[str, Value]:
    """Classes that there are none of are left out, as PaddleX ignores them."""
    numbered = {str(at): label for at, label in enumerate(LABELS)}
    return {numbered[key]: value for key, value in values.items() if key in numbered}


def _stretches(ratio: float | Stretch | Mapping[str, float | Stretch] | None) -> Stretch | dict[str, Stretch] | None:
    if isinstance(ratio, Mapping):
        return {label: _stretch(one) for label, one in _by_label(ratio).items()}
    return None if ratio is None else _stretch(ratio)


def _stretch(ratio: float | Stretch) -> Stretch:
    return ratio if isinstance(ratio, tuple) else (ratio, ratio)
