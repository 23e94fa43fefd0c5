"""`make bench-accuracy`: how faithful is the Markdown of real pages, also when they are badly scanned, and of the
project's own examples."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import mean

import cv2
import numpy as np

from benchmarks.report import table, write_report
from benchmarks.scoring import edit_distance, omnidocbench_blocks, plain, recall
from benchmarks.service import Service, start_service
from tests.support.examples import load_truth
from tests.support.samples import omnidocbench
from textlines.detection import Pixels

GOAL_MEAN, GOAL_WORST, GOAL_DEGRADED = 0.06, 0.60, 2.0
Scores = list[tuple[str, float, float]]


def compress(page: Pixels) -> Pixels:
    _, data = cv2.imencode(".jpg", page, [cv2.IMWRITE_JPEG_QUALITY, 30])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)


def blur(page: Pixels) -> Pixels:
    return np.asarray(cv2.GaussianBlur(page, (0, 0), 1.2), dtype=np.uint8)


def add_noise(page: Pixels) -> Pixels:
    noise = np.random.default_rng(1).normal(0, 20, page.shape)
    return np.asarray((page + noise).clip(0, 255), dtype=np.uint8)


def skew(page: Pixels) -> Pixels:
    """Turned by 3 degrees on white paper that holds all of it."""
    height, width = page.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 3, 1)
    (cos, sin) = abs(turn[0, 0]), abs(turn[0, 1])
    size = round(width * cos + height * sin), round(width * sin + height * cos)
    turn[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
    return np.asarray(cv2.warpAffine(page, turn, size, borderValue=(255, 255, 255)), dtype=np.uint8)


def add_shadow(page: Pixels) -> Pixels:
    """From full light at the upper left corner to 40 % of it at the lower right one."""
    height, width = page.shape[:2]
    light = 1 - 0.3 * np.add.outer(np.linspace(0, 1, height), np.linspace(0, 1, width))
    return np.asarray(page * light[:, :, np.newaxis], dtype=np.uint8)


def fax(page: Pixels) -> Pixels:
    """100 dpi, for a page that is as wide as A4, in black and white."""
    scale = min(1.0, 827 / page.shape[1])
    small = cv2.resize(page, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    _, black = cv2.threshold(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return np.asarray(cv2.cvtColor(black, cv2.COLOR_GRAY2BGR), dtype=np.uint8)


DEGRADATIONS: Mapping[str, Callable[[Pixels], Pixels]] = {
    "JPEG 30": compress,
    "blur": blur,
    "noise": add_noise,
    "3° skew": skew,
    "shadow": add_shadow,
    "100 dpi fax": fax,
}


def sample_scores(service: Service) -> Scores:
    scores = []
    for file, truth in zip(*omnidocbench(), strict=True):
        markdown = service.ocr(file, images="none")["markdown"]
        blocks = omnidocbench_blocks(truth)
        scores.append((file.stem, edit_distance(markdown, blocks), recall(markdown, blocks)))
    return scores


def degraded_distances(service: Service) -> dict[str, list[float]]:
    """Edit distances of the sample pages by degradation."""
    result: dict[str, list[float]] = {name: [] for name in DEGRADATIONS}
    with tempfile.TemporaryDirectory() as folder:
        for file, truth in zip(*omnidocbench(), strict=True):
            page = np.asarray(cv2.imread(str(file)), dtype=np.uint8)
            blocks = omnidocbench_blocks(truth)
            for name, degrade in DEGRADATIONS.items():
                degraded = Path(folder) / "page.png"
                cv2.imwrite(str(degraded), degrade(page))
                result[name].append(edit_distance(service.ocr(degraded, images="none")["markdown"], blocks))
    return result


def example_scores(service: Service) -> Scores:
    scores = []
    for name, file in load_truth().items():
        answer = service.ocr(file.path, images="none")
        for page, read in zip(file.pages, answer["pages"], strict=True):
            blocks = [plain(page.text())]
            markdown = read["markdown"]
            scores.append((f"{name}, page {page.page}", edit_distance(markdown, blocks), recall(markdown, blocks)))
    return scores


def score_table(scores: Scores) -> str:
    rows = [[name, f"{distance:.3f}", f"{found:.3f}"] for name, distance, found in scores]
    means = [f"{mean(distance for _, distance, _ in scores):.3f}", f"{mean(found for *_, found in scores):.3f}"]
    return table(["page", "edit distance", "recall"], [*rows, ["**mean**", *means]])


def degraded_table(samples: Scores, degraded: Mapping[str, list[float]]) -> str:
    columns = [[distance for _, distance, _ in samples], *degraded.values()]
    rows = [[name, *(f"{column[at]:.3f}" for column in columns)] for at, (name, *_) in enumerate(samples)]
    means = [mean(column) for column in columns]
    return table(
        ["page", "clean", *degraded],
        [
            *rows,
            ["**mean**", *(f"{value:.3f}" for value in means)],
            ["**÷ clean**", *(f"{value / means[0]:.2f}" for value in means)],
        ],
    )


def main() -> None:
    with start_service(VLM_ENGINE="embedded") as service:
        samples, examples = sample_scores(service), example_scores(service)
        degraded = degraded_distances(service)
    worst = max(distance for _, distance, _ in samples)
    write_report(
        "accuracy",
        "Accuracy: normalised edit distance of the Markdown to the truth in order",
        f"## OmniDocBench samples\n\nGoal: mean ≤ {GOAL_MEAN}, worst ≤ {GOAL_WORST}; worst here: {worst:.3f}.",
        score_table(samples),
        f"## The same samples, badly scanned\n\nEdit distances. Goal: at most {GOAL_DEGRADED:g} × those of clean ones.",
        degraded_table(samples, degraded),
        "## The project's own examples",
        score_table(examples),
    )


if __name__ == "__main__":
    main()
