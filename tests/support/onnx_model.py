"""Models in ONNX's format, written by hand: PP-DocLayout's inputs and outputs, and simple answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

FLOAT, INT32 = 1, 6
INPUTS: dict[str, list[int]] = {"im_shape": [1, 2], "image": [1, 3, 800, 800], "scale_factor": [1, 2]}


def layout_model(
    boxes: NDArray[np.float32], masks: NDArray[np.int32] | None = None, inputs: Mapping[str, Sequence[int]] = INPUTS
) -> bytes:
    """Bytes of a model that answers `boxes`, their count and `masks`, whatever it is shown."""
    outputs: dict[str, NDArray[np.generic]] = {"boxes": boxes, "count": np.array([len(boxes)], dtype=np.int32)}
    if masks is not None:
        outputs["masks"] = masks
    nodes = [_constant(name, value) for name, value in outputs.items()]
    return _model(nodes, inputs, {name: (_type(value), value.shape) for name, value in outputs.items()})


def sized_model() -> bytes:
    """Bytes of a model for any number of pages: a text region on each, of an eighth of the page's sides, from 0, 0."""
    first = [22, 0.9, 0, 0, 0, 0, 0]
    # Of `scale_factor`, which is (800 / height, 800 / width), its inverse times 100 is wanted.
    corners = [[0, 0, 0, 0, 0, 100, 0], [0, 0, 0, 0, 100, 0, 0]]
    nodes = [
        _constant("first", np.array([first], dtype=np.float32)),
        _constant("corners", np.array(corners, dtype=np.float32)),
        _node("Reciprocal", ["scale_factor"], "share"),
        _node("MatMul", ["share", "corners"], "sides"),
        _node("Add", ["first", "sides"], "boxes"),
        _node("ArgMax", ["boxes"], "places", _attribute("axis", 1), _attribute("keepdims", 0)),
        _node("Equal", ["places", "places"], "yes"),
        _node("Cast", ["yes"], "count", _attribute("to", INT32)),
    ]
    inputs: dict[str, Sequence[int | str]] = {name: ["N", *shape[1:]] for name, shape in INPUTS.items()}
    return _model(nodes, inputs, {"boxes": (FLOAT, ["N", 7]), "count": (INT32, ["N"])})


def _model(
    nodes: Sequence[bytes],
    inputs: Mapping[str, Sequence[int | str]],
    outputs: Mapping[str, tuple[int, Sequence[int | str]]],
) -> bytes:
    graph = b"".join(
        [
            *(_message(1, node) for node in nodes),
            _message(2, b"layout"),
            *(_message(11, _value(name, FLOAT, shape)) for name, shape in inputs.items()),
            *(_message(12, _value(name, kind, shape)) for name, (kind, shape) in outputs.items()),
        ]
    )
    return _number(1, 9) + _message(7, graph) + _message(8, _number(2, 17))


def _node(kind: str, inputs: Sequence[str], output: str, *attributes: bytes) -> bytes:
    named = b"".join(_message(1, name.encode()) for name in inputs)
    return named + _message(2, output.encode()) + _message(4, kind.encode()) + b"".join(attributes)


def _attribute(name: str, value: int) -> bytes:
    return _message(5, _message(1, name.encode()) + _number(3, value) + _number(20, 2))


def _constant(name: str, value: NDArray[np.generic]) -> bytes:
    tensor = b"".join(_number(1, side) for side in value.shape) + _number(2, _type(value))
    attribute = _message(1, b"value") + _message(5, tensor + _message(9, value.tobytes())) + _number(20, 4)
    return _message(2, name.encode()) + _message(4, b"Constant") + _message(5, attribute)


def _value(name: str, kind: int, shape: Sequence[int | str]) -> bytes:
    sides = b"".join(
        _message(1, _message(2, side.encode()) if isinstance(side, str) else _number(1, side)) for side in shape
    )
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
