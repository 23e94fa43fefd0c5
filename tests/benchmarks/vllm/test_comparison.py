"""Clients in turns, what is told of them, and when their answers end the benchmark."""

from __future__ import annotations

import pytest

from benchmarks.cpu_sampler import CLIENTS, OTHERS, CpuSampler
from benchmarks.vllm.clients import Answer, Client
from benchmarks.vllm.comparison import Sample, compare, sample_table, verdict

RIGHT, MISREAD = [Answer("one", 1), Answer("two", 2)], [Answer("one", 1), Answer("too", 2)]
EXPECTED = ["one", "two"]


class QuietSampler(CpuSampler):
    """On a machine on which nothing else happens."""

    def __init__(self) -> None:
        super().__init__({})

    def spent_s(self) -> dict[str, float]:
        return dict.fromkeys((CLIENTS, OTHERS, "gateway", "vlm"), 0.0)


def client(name: str, answers: list[Answer], sent: list[str]) -> Client:
    async def send() -> list[Answer]:
        sent.append(name)
        return answers

    return send


def sample(wall_s: float, gateway_s: float = 1.0) -> Sample:
    return Sample(100, 5000, wall_s, {CLIENTS: 0.1, "gateway": gateway_s, "vlm": 6.0, OTHERS: 0.0})


async def test_clients_take_turns_and_first_round_does_not_count() -> None:
    sent: list[str] = []
    samples = await compare({name: client(name, RIGHT, sent) for name in "abc"}, 3, QuietSampler, EXPECTED)
    assert "".join(sent) == "abcbcacababc"
    assert {name: [(sample.calls, sample.tokens) for sample in taken] for name, taken in samples.items()} == (
        dict.fromkeys("abc", [(2, 3)] * 3)
    )


@pytest.mark.parametrize(
    ("answers", "said"),
    [(MISREAD, "b: answers are not as taught"), ([Answer("a document", 4, 2)], "b: 2 calls, 4 tokens")],
)
async def test_other_answers_end_the_benchmark(answers: list[Answer], said: str) -> None:
    with pytest.raises(SystemExit, match=said):
        await compare({"a": client("a", RIGHT, []), "b": client("b", answers, [])}, 1, QuietSampler, EXPECTED)


async def test_documents_need_only_as_many_calls_and_tokens() -> None:
    document = client("b", [Answer("one two", 3, 2)], [])
    samples = await compare({"a": client("a", RIGHT, []), "b": document}, 1, QuietSampler, EXPECTED)
    assert samples["b"][0].calls == 2


@pytest.mark.parametrize(
    ("walls_s", "said"),
    [
        ((10.0, 9.0), "reached in every repetition"),
        ((11.0, 12.0), "missed in every repetition"),
        ((11.0, 10.0), "not settled, repetitions lie on both sides"),
    ],
)
def test_verdict(walls_s: tuple[float, float], said: str) -> None:
    assert verdict([sample(wall_s) for wall_s in walls_s], [sample(10), sample(10)]) == said


def test_table_has_rates_ratio_and_cpu_time() -> None:
    text = sample_table({"straight": [sample(10)], "chat": [sample(12)]})
    assert "| chat | 8.3 | 417 | 0.833 (0.833 to 0.833) | 1.0 | 10.0 | 60.0 | 0.59 | 0.00 |" in text
