"""`paddleocr-vl completion`: the script by which a shell completes the command."""

from __future__ import annotations

import argparse
import sys

import shtab

SHELLS = ("bash", "zsh", "fish")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS)
    parser.epilog = 'bash: eval "$(paddleocr-vl completion bash)"; docs/cli.md has the others'


def run(options: argparse.Namespace) -> int:
    # The command's own table names this module.
    from supervision.cli import COMMANDS, build_parser

    sys.stdout.write(shtab.complete(build_parser(COMMANDS), options.shell) + "\n")
    return 0
