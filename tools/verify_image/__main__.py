"""python -m tools.verify_image IMAGE [--out FOLDER] [--language en|ru|both] [--only SCENARIO …] [--engine NAME]

IMAGE is a name that docker, podman or buildah knows, or `dir:FOLDER`, an OCI bundle. The exit status is 1 where a check
failed, 2 where nothing could be started.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from tools.verify_image.engines.choice import NAMES, engine_for
from tools.verify_image.report import MARKS, Verification, as_json, markdown
from tools.verify_image.scenarios import SCENARIOS, scenarios_for
from tools.verify_image.texts import SCENARIOS as TITLES
from tools.verify_image.texts import Language
from tools.verify_image.trial import Limits
from tools.verify_image.verification import reported, verify

SUFFIXES: dict[Language, str] = {"en": "verify.md", "ru": "verify.ru.md"}
UNTRIED = 2


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.verify_image", description="Starts an image as platforms do and reports what works."
    )
    parser.add_argument("image", help="a name, or dir:FOLDER with rootfs/ and config.json")
    parser.add_argument("--out", type=Path, help="folder for verify.md, verify.ru.md and verify.json")
    parser.add_argument("--language", choices=("en", "ru", "both"), default=os.environ.get("LANG_REPORT") or "both")
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, help="scenarios; default: all that suit the image")
    parser.add_argument("--engine", choices=NAMES, help="default: the first that works and knows the image")
    return parser


def examine(options: argparse.Namespace) -> Verification:
    with engine_for(options.image, options.engine) as engine:
        wished = scenarios_for(engine.image)
        wished = {name: scenario for name, scenario in wished.items() if name in (options.only or wished)}
        columns = {}
        for name, column in verify(engine, wished, Limits()):
            marks = " ".join(MARKS[finding.mark] for finding in column.values())
            print(f"{TITLES[name]['en']}: {marks}", file=sys.stderr, flush=True)
            columns[name] = column
        return reported(engine, columns)


def write(verification: Verification, languages: Sequence[Language], folder: Path | None) -> None:
    texts = {language: markdown(verification, language) for language in languages}
    print("\n".join(texts.values()))
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        for language, text in texts.items():
            (folder / SUFFIXES[language]).write_text(text, encoding="utf-8")
        (folder / "verify.json").write_text(as_json(verification), encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    # A verification that is told to stop takes its containers with it.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    options = parser().parse_args(arguments)
    try:
        verification = examine(options)
    except RuntimeError as error:
        print(f"paddleocr-vl-service: {error}.", file=sys.stderr)
        return UNTRIED
    languages = [language for language in get_args(Language) if options.language in (language, "both")]
    write(verification, languages, options.out)
    return 1 if verification.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
