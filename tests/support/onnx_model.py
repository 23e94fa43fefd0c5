"""Models in ONNX's format, written by hand: PP-DocLayout's inputs and outputs, and simple answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import yaml
from numpy.typing import NDArray

from gateway.layout.pp_doclayout.postprocess import LABELS

FLOAT, UINT8, INT32, INT64 = 1, 2, 6, 7
TYPES: dict[str, int] = {"float32": FLOAT, "uint8": UINT8, "int32": INT32, "int64": INT64}
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


def table_model(rows: NDArray[np.float32], masks: NDArray[np.uint8], redness: float) -> bytes:
    """Bytes of a model for any number of pages that has another answer for each height of a page.

    `rows`: (P, R, 7), `masks`: (P, R, 200, 200). A page of height h gets number h modulo P of both; `redness` times the
    mean of the page's red channel, 0 to 1, is added to its scores.
    """
    count, length = rows.shape[:2]
    numbers: dict[str, NDArray[np.generic]] = {
        "rows": rows,
        "masks_seen": masks,
        "side": np.array([800], dtype=np.float32),
        "pages": np.array([count], dtype=np.int64),
        "first": np.array([0], dtype=np.int64),
        "score": np.array([0, redness, 0, 0, 0, 0, 0], dtype=np.float32),
        "flat": np.array([-1], dtype=np.int64),
        "column": np.array([-1, 1, 1], dtype=np.int64),
        "row_shape": np.array([-1, 7], dtype=np.int64),
        "mask_shape": np.array([-1, *masks.shape[2:]], dtype=np.int64),
        "length": np.array([length], dtype=np.int32),
    }
    nodes = [
        *(_constant(name, value) for name, value in numbers.items()),
        # The first of `scale_factor` is 800 / height.
        _node("Gather", ["scale_factor", "first"], "scale", _attribute("axis", 1)),
        _node("Reshape", ["scale", "flat"], "scales"),
        _node("Div", ["side", "scales"], "heights"),
        _node("Round", ["heights"], "whole"),
        _node("Cast", ["whole"], "integers", _attribute("to", INT64)),
        _node("Mod", ["integers", "pages"], "places"),
        _node("Gather", ["rows", "places"], "chosen", _attribute("axis", 0)),
        _node("Gather", ["image", "first"], "red", _attribute("axis", 1)),
        _node("ReduceMean", ["red"], "mean", _integers("axes", [1, 2, 3]), _attribute("keepdims", 0)),
        _node("Reshape", ["mean", "column"], "means"),
        _node("Mul", ["means", "score"], "more"),
        _node("Add", ["chosen", "more"], "scored"),
        _node("Reshape", ["scored", "row_shape"], "boxes"),
        _node("Equal", ["places", "places"], "yes"),
        _node("Cast", ["yes"], "ones", _attribute("to", INT32)),
        _node("Mul", ["ones", "length"], "count"),
        _node("Gather", ["masks_seen", "places"], "seen", _attribute("axis", 0)),
        _node("Reshape", ["seen", "mask_shape"], "parted"),
        _node("Cast", ["parted"], "masks", _attribute("to", INT32)),
    ]
    inputs: dict[str, Sequence[int | str]] = {name: ["N", *shape[1:]] for name, shape in INPUTS.items()}
    outputs: dict[str, tuple[int, Sequence[int | str]]] = {
        "boxes": (FLOAT, ["M", 7]),
        "count": (INT32, ["N"]),
        "masks": (INT32, ["M", *masks.shape[2:]]),
    }
    return _model(nodes, inputs, outputs)


def description(name: str) -> str:
    """`inference.yml` of a model whose classes are numbered as PP-DocLayoutV3's."""
    preprocess = [
        {"type": "Resize", "interp": 2, "keep_ratio": False, "target_size": [800, 800]},
        {"type": "NormalizeImage", "mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0], "norm_type": "none"},
        {"type": "Permute"},
    ]
    content = {"Global": {"model_name": name}, "draw_threshold": 0.5, "label_list": list(LABELS)}
    return yaml.safe_dump({**content, "Preprocess": preprocess})


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


def _integers(name: str, values: Sequence[int]) -> bytes:
    return _message(5, _message(1, name.encode()) + b"".join(_number(8, value) for value in values) + _number(20, 7))


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
    return TYPES[value.dtype.name]


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])
