"""What is read of a line is the same whether a runtime gives probabilities or leaves the softmax to us, and which lines
are read at once."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from tests.support.script_pages import FONT
from textlines.recognition import StepScores, load_bundled_model, plan_batches

PROBABILITIES = np.array(
    [[0.1, 0.7, 0.2], [0.1, 0.6, 0.3], [0.8, 0.1, 0.1], [0.25, 0.25, 0.5], [0.3, 0.6, 0.1]], dtype=np.float32
)
"""Five steps: a character, the same once more, none, another one, and the first again."""
LOGITS = np.log(PROBABILITIES) + np.array([[3], [-2], [0], [11], [40]], dtype=np.float32)


@pytest.mark.parametrize(
    "scores", [StepScores(PROBABILITIES, are_logits=False), StepScores(LOGITS, are_logits=True)], ids=["shares", "logs"]
)
def test_characters_have_their_probabilities(scores: StepScores) -> None:
    best, shares = scores.find_best()
    assert best.tolist() == [1, 1, 0, 2, 1]
    np.testing.assert_allclose(shares[[0, 3, 4]], [0.7, 0.5, 0.6], rtol=1e-5)


def test_logarithms_differ_by_a_constant_at_each_step() -> None:
    classes = np.array([2, 1])
    ours, logits = (
        StepScores(values, are_logits).logs(classes) for values, are_logits in ((PROBABILITIES, False), (LOGITS, True))
    )
    # log(0.2 / 0.7), log(0.3 / 0.6), log(0.1 / 0.1), log(0.5 / 0.25), log(0.1 / 0.6)
    expected = [-1.2528, -0.6931, 0.0, 0.6931, -1.7918]
    np.testing.assert_allclose(ours[:, 0] - ours[:, 1], expected, atol=1e-3)
    np.testing.assert_allclose(logits[:, 0] - logits[:, 1], expected, atol=1e-3)


@pytest.mark.parametrize(
    ("widths", "batches"),
    [
        ([], []),
        ([70], [{0}]),
        ([50, 1400, 60, 1410, 40, 55], [{1}, {3}, {0, 2, 4, 5}]),  # two long ones would take too much memory
        ([300, 90, 300, 95], [{0, 2}, {1, 3}]),
        ([900, 890], [{0, 1}]),
        ([32, 480], [{0}, {1}]),  # the grey behind the short line would cost more than a call
    ],
)
def test_lines_of_alike_width_are_read_at_once(widths: list[int], batches: list[set[int]]) -> None:
    planned = [set(batch) for batch in plan_batches(widths)]
    assert sorted(planned, key=min) == sorted(batches, key=min)


def test_narrow_letters_of_a_long_line_are_read() -> None:
    """They take less than one of the model's steps each, so a picture that is narrowed to save time loses some."""
    text = "Illicit filling stills till initial illness, lilting little jilts: ill-fitting tiles fill it."
    font = ImageFont.truetype(str(FONT), 28, layout_engine=ImageFont.Layout.BASIC)
    image = Image.new("RGB", (round(font.getlength(text)) + 20, 44), "white")
    ImageDraw.Draw(image).text((10, 4), text, fill="black", font=font)
    model = load_bundled_model()
    with model.run([np.asarray(image)]) as (scores,):
        assert model.decode(scores).text == text


def test_each_of_many_lines_is_read_once() -> None:
    batches = plan_batches([32 + 7 * place for place in range(199)])
    assert sorted(place for batch in batches for place in batch) == list(range(199))
