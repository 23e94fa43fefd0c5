"""The command `paddleocr-vl`. What a subcommand takes and does stands in the module that `COMMANDS` names for it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

from gateway import __version__
from supervision.launch import import_environment


@dataclass(frozen=True, slots=True)
class Command:
    """`module` has `add_arguments(parser)` and `run(options)`, which returns an exit status or becomes another program.
    It is imported only for its own subcommand."""

    module: str
    description: str


COMMANDS: Mapping[str, Command] = {
    "serve": Command("supervision.launch", "start the service: the gateway and the engine"),
    "engine": Command("vlm_backend.__main__", "start the engine alone, in this process"),
    "doctor": Command("vlm_backend.doctor.command", "say what keeps the engine from starting"),
    "fetch-models": Command("supervision.fetch_models", "download the layout model and the weights"),
}


def build_parser(chosen: str | None) -> argparse.ArgumentParser:
    """chosen: the subcommand whose arguments are wanted."""
    parser = argparse.ArgumentParser(
        prog="paddleocr-vl",
        description="Documents in, Markdown and JSON out.",
        epilog="Settings are environment variables, for example: PORT=9000 paddleocr-vl serve",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=command.description, description=command.description)
        if name == chosen:
            module = import_module(command.module)
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    words = sys.argv[1:] if arguments is None else list(arguments)
    options = build_parser(next(iter(words), None)).parse_args(words)
    os.environ.update(import_environment())
    status: int = options.run(options)
    return status


if __name__ == "__main__":
    sys.exit(main())
