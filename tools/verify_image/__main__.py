"""python -m tools.verify_image IMAGE [--out FOLDER] [--only SCENARIO …] [--engine NAME]

IMAGE is a name that docker, podman or buildah knows, or `dir:FOLDER` with `rootfs/` and `config.json`. The exit status
is 1 where a check failed, 2 where nothing could be started.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tools.verify_image.checks import CHECKS, Finding, run_checks
from tools.verify_image.command_line import find_image
from tools.verify_image.image import Engine
from tools.verify_image.report import MARKS, Verification, render_json, render_markdown
from tools.verify_image.rootfs import mount_image, open_folder
from tools.verify_image.trial import SCENARIOS, Limits, Scenario, start_trial

ENGINES = ("docker", "podman", "buildah")


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.verify_image", description="Starts an image as platforms do and reports what works."
    )
    parser.add_argument("image", help="a name, or dir:FOLDER with rootfs/ and config.json")
    parser.add_argument("--out", type=Path, help="folder for verify.md and verify.json")
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, help="scenarios; default: all that suit the image")
    parser.add_argument("--engine", choices=ENGINES, help="default: the first that works and knows the image")
    return parser.parse_args(arguments)


@contextmanager
def open_image(name: str, engine: str | None = None) -> Iterator[Engine]:
    """By the first engine that works here and knows the image; `dir:FOLDER` needs none. RuntimeError if none does."""
    if name.startswith("dir:"):
        yield open_folder(Path(name.removeprefix("dir:")))
        return
    engines = [engine] if engine else ENGINES
    with ExitStack() as mounts:
        for program in engines:
            try:
                found = mounts.enter_context(mount_image(name)) if program == "buildah" else find_image(program, name)
            except RuntimeError:
                continue
            if found:
                yield found
                return
        raise RuntimeError(f"none of {', '.join(engines)} works here and knows the image {name}")


def verify_scenario(engine: Engine, scenario: Scenario, limits: Limits) -> dict[str, Finding]:
    if obstacle := engine.obstacle(scenario.options):
        return _skip_checks(Finding("warn", f"Not tried: {obstacle}."))
    try:
        with start_trial(engine, scenario, limits) as trial:
            return run_checks(trial)
    except RuntimeError as error:
        return _skip_checks(Finding("fail", f"The container could not be started: {error}"))


def _skip_checks(reason: Finding) -> dict[str, Finding]:
    first, *others = CHECKS
    return {first: reason} | dict.fromkeys(others, Finding("none", "not reached"))


def verify(engine: Engine, only: Sequence[str] | None) -> Verification:
    columns = {}
    for name, scenario in SCENARIOS.items():
        if (engine.image.has_vllm or not scenario.needs_vllm) and name in (only or SCENARIOS):
            columns[name] = verify_scenario(engine, scenario, Limits())
            marks = " ".join(MARKS[finding.mark] for finding in columns[name].values())
            print(f"{scenario.title}: {marks}", file=sys.stderr, flush=True)
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return Verification(engine.image.name, engine.name, date, f"{os.cpu_count()} cores ({platform.machine()})", columns)


def main(arguments: Sequence[str]) -> int:
    # A verification that is told to stop takes its containers with it.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    options = parse_arguments(arguments)
    try:
        with open_image(options.image, options.engine) as engine:
            verification = verify(engine, options.only)
    except RuntimeError as error:
        print(f"paddleocr-vl-service: {error}.", file=sys.stderr)
        return 2
    text = render_markdown(verification)
    print(text)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "verify.md").write_text(text, encoding="utf-8")
        (options.out / "verify.json").write_text(render_json(verification), encoding="utf-8")
    return 1 if verification.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
