"""`paddleocr-vl completion`: the script by which a shell completes the command."""

from __future__ import annotations

import argparse
import sys

import shtab

SHELLS = ("bash", "zsh", "fish")
PLACES = {"input": shtab.FILE, "folder": shtab.DIRECTORY, "output": shtab.DIRECTORY}
"""What names files or folders, by the names of arguments."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS)
    parser.epilog = 'bash: eval "$(paddleocr-vl completion bash)"; docs/cli.md has the others'


def run(options: argparse.Namespace) -> int:
    # The command's own table names this module.
    from supervision.cli import COMMANDS, build_parser

    parser = build_parser(COMMANDS)
    _mark_places(parser)
    sys.stdout.write(shtab.complete(parser, options.shell) + "\n")
    return 0


def _mark_places(parser: argparse.ArgumentParser) -> None:
    # argparse tells of its arguments nowhere else.
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _mark_places(command)
        elif action.dest in PLACES:
            action.complete = PLACES[action.dest]  # type: ignore[attr-defined]
