"""`make bench-accuracy`: how faithful is the Markdown of real pages, and of the project's own examples."""

from __future__ import annotations

from statistics import mean

from benchmarks.report import table, write_report
from benchmarks.scoring import edit_distance, omnidocbench_blocks, plain, recall
from benchmarks.service import Service, start_service
from tests.support.examples import load_truth
from tests.support.samples import omnidocbench

GOAL_MEAN, GOAL_WORST = 0.06, 0.60
Scores = list[tuple[str, float, float]]


def sample_scores(service: Service) -> Scores:
    scores = []
    for file, truth in zip(*omnidocbench(), strict=True):
        markdown = service.ocr(file, images="none")["markdown"]
        blocks = omnidocbench_blocks(truth)
        scores.append((file.stem, edit_distance(markdown, blocks), recall(markdown, blocks)))
    return scores


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


def main() -> None:
    with start_service(VLM_ENGINE="embedded") as service:
        samples, examples = sample_scores(service), example_scores(service)
    worst = max(distance for _, distance, _ in samples)
    write_report(
        "accuracy",
        "Accuracy: normalised edit distance of the Markdown to the truth in order",
        f"## OmniDocBench samples\n\nGoal: mean ≤ {GOAL_MEAN}, worst ≤ {GOAL_WORST}; worst here: {worst:.3f}.",
        score_table(samples),
        "## The project's own examples",
        score_table(examples),
    )


if __name__ == "__main__":
    main()
