"""A model in ONNX's format, written by hand: PP-DocLayout's inputs and outputs, and the same answer for every page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FLOAT, INT32 = 1, 6
INPUTS: dict[str, list[int]] = {"im_shape": [1, 2], "image": [1, 3, 800, 800], "scale_factor": [1, 2]}


def layout_model(
    boxes: NDArray[np.float32], masks: NDArray[np.int32] | None = None, inputs: dict[str, list[int]] = INPUTS
) -> bytes:
    """Bytes of a model that answers `boxes`, their count and `masks`, whatever it is shown."""
    outputs: dict[str, NDArray[np.generic]] = {"boxes": boxes, "count": np.array([len(boxes)], dtype=np.int32)}
    if masks is not None:
        outputs["masks"] = masks
    graph = b"".join(
        [
            *(_message(1, _constant(name, value)) for name, value in outputs.items()),
            _message(2, b"layout"),
            *(_message(11, _value(name, FLOAT, shape)) for name, shape in inputs.items()),
            *(_message(12, _value(name, _type(value), value.shape)) for name, value in outputs.items()),
        ]
    )
    return _number(1, 9) + _message(7, graph) + _message(8, _number(2, 17))


def _constant(name: str, value: NDArray[np.generic]) -> bytes:
    tensor = b"".join(_number(1, side) for side in value.shape) + _number(2, _type(value))
    attribute = _message(1, b"value") + _message(5, tensor + _message(9, value.tobytes())) + _number(20, 4)
    return _message(2, name.encode()) + _message(4, b"Constant") + _message(5, attribute)


def _value(name: str, kind: int, shape: Sequence[int]) -> bytes:
    sides = b"".join(_message(1, _number(1, side)) for side in shape)
    return _message(1, name.encode()) + _message(2, _message(1, _number(1, kind) + _message(2, sides)))


def _type(value: NDArray[np.generic]) -> int:
    return FLOAT if value.dtype == np.float32 else INT32


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])
