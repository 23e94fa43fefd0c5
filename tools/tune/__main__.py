"""`make tune`: finds the settings with which vLLM and the gateway read most pages a second on this machine.

Starts both itself, with one setting changed at a time, and sends the same documents each time. Writes the best
settings as lines NAME=VALUE, for `.env` or `docker run --env-file`, and prints pages a second and, with
PRICE_PER_GPU_HOUR, what 1,000 pages cost.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import onnxruntime

from common.cores import available_cores
from gateway import __version__
from gateway.layout.pp_doclayout.onnx_model import CUDA, choose_batch
from gateway.settings import Settings as GatewaySettings
from tools.tune.search import Knob, Measure, Search, Trial, Values
from tools.tune.trials import Bench
from vlm_backend.driver import Gpu, probe_driver
from vlm_backend.installation import find_installation
from vlm_backend.model_config import find_model_config
from vlm_backend.settings import Settings as VlmSettings
from vlm_backend.sizes import Sizes, choose_sizes
from vlm_backend.vllm import choose_api_servers, find_working_gpu

EXAMPLES = Path("examples")
TUNED = Path("var/tuned.env")
SECONDS, MAX_TRIALS = 180.0, 16
MIN_TOKENS = 2048
"""Of one step: vLLM refuses fewer than it takes for the largest picture."""
RENDERERS = "--renderer-num-workers"
"""vLLM's threads that decode and prepare pictures, in each API server."""
AT_ONCE_MIN, AT_ONCE_MAX = 8, 48
"""Documents at once; of more than 64 the gateway would turn some away (MAX_DOCUMENTS)."""
REGIONS_A_PAGE = 8
ELSEWHERE = (
    "the engine runs elsewhere, and `make tune` starts one on this machine. Leave VLM_ENGINE, VLM_BASE_URL and "
    "VLM_MODELS out meanwhile, of .env too."
)


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make tune", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="documents to read (default: those of examples/)")
    parser.add_argument("--out", type=Path, default=TUNED, help=f"file for the settings (default {TUNED})")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"of reading, in all (default {SECONDS:.0f})")
    parser.add_argument("--trials", type=int, default=MAX_TRIALS, help=f"at most (default {MAX_TRIALS})")
    parser.add_argument("--rounds", type=int, help="how often each document is read in a trial (default: by --seconds)")
    parser.add_argument("--only", nargs="+", metavar="SETTING", help="settings to vary (default: all)")
    return parser.parse_args(arguments)


def list_knobs(
    sizes: Sizes, cores: int, gateway: GatewaySettings, vlm: VlmSettings, *, has_gpu: bool
) -> Iterator[Knob]:
    """What is tried, in the order in which it usually matters."""
    yield Knob("VLM_MAX_SEQUENCES", _scale(sizes.max_sequences, 1), restarts_engine=True)
    tokens = _scale(sizes.max_batched_tokens, MIN_TOKENS)
    yield Knob("VLM_MAX_BATCHED_TOKENS", tokens, restarts_engine=True)
    most = max(1, cores if has_gpu else cores // 2)
    yield Knob("VLM_API_SERVERS", _powers(min(most, 8)), restarts_engine=True)
    if RENDERERS not in (given := vlm.vlm_extra_arguments):
        renderers = [given, *(f"{given} {RENDERERS} {count}".strip() for count in (2, 4))]
        yield Knob("VLM_EXTRA_ARGUMENTS", renderers, restarts_engine=True)
    regions = [str(sizes.max_sequences * factor) for factor in (1, 2, 4)]
    yield Knob("MAX_CONCURRENT_REGIONS", ["0", *regions], restarts_engine=False)
    if gateway.layout_model != "bundled":  # which sees one page at a time
        yield Knob("LAYOUT_BATCH", _powers(16), restarts_engine=False)
        if has_gpu:
            yield Knob("LAYOUT_DEVICE", ["cpu", "auto"], restarts_engine=False)


def first_values(
    knobs: Sequence[Knob], sizes: Sizes, gateway: GatewaySettings, vlm: VlmSettings, gpu: Gpu | None
) -> Values:
    """What the settings say now, or would choose by themselves."""
    now = {
        "VLM_MAX_SEQUENCES": sizes.max_sequences,
        "VLM_MAX_BATCHED_TOKENS": sizes.max_batched_tokens,
        "VLM_API_SERVERS": choose_api_servers(vlm, gpu),
        "VLM_EXTRA_ARGUMENTS": vlm.vlm_extra_arguments,
        "MAX_CONCURRENT_REGIONS": gateway.max_concurrent_regions,
        "LAYOUT_BATCH": choose_batch(gateway.layout_batch, list_providers(gateway, gpu)),
        "LAYOUT_DEVICE": gateway.layout_device,
    }
    return {knob.name: str(now[knob.name]) for knob in knobs}


def list_providers(gateway: GatewaySettings, gpu: Gpu | None) -> Sequence[str]:
    """ONNX Runtime's, for the layout. What PaddleOCR's environment has is not looked up: where there is a GPU, it is
    taken to be used."""
    if gpu is None or gateway.layout_device == "cpu":
        return []
    if gateway.layout_device == "cuda" or gateway.layout_engine == "paddleocr":
        return [CUDA]
    providers: list[str] = onnxruntime.get_available_providers()
    return providers


def describe(trial: Trial, price: float) -> str:
    measure = trial.measure
    if measure.failure:
        return f"failed: {measure.failure}"
    cost = f", {price / 3.6 / measure.pages_s:.4f} per 1,000 pages" if price and measure.pages_s else ""
    return f"{measure.pages_s:.3f} pages/s, {measure.regions_s:.1f} regions/s{cost}"


def write_settings(path: Path, best: Trial, start: Values, price: float) -> None:
    """Those that differ from the `start`, as they do only where that was faster."""
    machine = f"{platform.node()}, {os.cpu_count()} cores"
    lines = [
        f"# make tune, paddleocr-vl-service {__version__}, {datetime.now(UTC):%Y-%m-%d}, {machine}",
        f"# {describe(best, price)}",
        *(f"{name}={value}" for name, value in best.values.items() if value != start[name]),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    wanted = parse_options(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # so that what was started is ended too
    gateway, vlm = GatewaySettings(), VlmSettings()
    if gateway.vlm_engine == "external":
        sys.exit(f"VLM_ENGINE=external: {ELSEWHERE}")
    installation = find_installation(vlm)
    if installation is None:
        sys.exit("There is no vLLM: `make vllm` installs it, VLLM_PYTHON names another's interpreter.")
    gpu = find_working_gpu(vlm, installation, probe_driver())
    sizes = choose_sizes(vlm, gpu, find_model_config(vlm))
    known = list_knobs(sizes, available_cores(), gateway, vlm, has_gpu=gpu is not None)
    knobs = [knob for knob in known if wanted.only is None or knob.name in wanted.only]
    if not knobs:
        sys.exit("None of these settings can be varied here.")
    start = first_values(knobs, sizes, gateway, vlm, gpu)
    knobs = [include_value(knob, start[knob.name]) for knob in knobs]
    files = wanted.files or sorted(EXAMPLES.glob("*.[pj]*g"))
    at_once = max(AT_ONCE_MIN, min(AT_ONCE_MAX, 3 * sizes.max_sequences // REGIONS_A_PAGE))
    seconds = wanted.seconds / wanted.trials
    price = gateway.price_per_gpu_hour
    keep = partial(write_settings, wanted.out, start=start, price=price)
    with Bench(files, knobs, at_once=at_once, seconds=seconds, rounds=wanted.rounds) as bench:
        search = Search(_tell(bench, price), wanted.trials, keep)
        best = search.run(start, knobs)
    if best.measure.failure:
        sys.exit("Not one trial could be made; nothing was written.")
    _report(search, best, price, wanted.out)
    return 0


def include_value(knob: Knob, value: str) -> Knob:
    """With the value that is in use, where it is none of the others: before them, or where it stands among numbers."""
    if value in knob.values:
        return knob
    values = [value, *knob.values]
    return replace(knob, values=sorted(values, key=int) if all(map(str.isdigit, values)) else values)


def _scale(middle: int, least: int) -> list[str]:
    """Halves, quarters, twos and fours of a value."""
    scaled = {max(least, middle // 4), max(least, middle // 2), middle, middle * 2, middle * 4}
    return [str(value) for value in sorted(scaled)]


def _powers(most: int) -> list[str]:
    """1, 2, 4, … up to `most`."""
    return [str(2**power) for power in range(most.bit_length())]


def _tell(bench: Bench, price: float) -> Callable[[Values], Measure]:
    """Measures, and says on standard output what came of it."""

    def measure(values: Values) -> Measure:
        found = bench.measure(values)
        named = " ".join(f"{name}={value!r}" if " " in value else f"{name}={value}" for name, value in values.items())
        print(f"{named}\n    {describe(Trial(values, found), price)}", flush=True)
        return found

    return measure


def _report(search: Search, best: Trial, price: float, path: Path) -> None:
    first = search.trials[0].measure
    gain = f", {best.measure.pages_s / first.pages_s:.2f} times the first trial" if first.pages_s else ""
    print(f"\n{len(search.trials)} trials. Best: {describe(best, price)}{gain}.")
    print(f"{path} has the settings: add its lines to .env, or give it to `docker run --env-file`.")


if __name__ == "__main__":
    sys.exit(main())
