"""The command `paddleocr-vl`. What a subcommand takes and does stands in the module that `COMMANDS` names for it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import NoReturn

from common.remedies import IS_INSTALLED
from gateway import __version__
from paddleocr_vl_client.commands.failures import describe_failure, say
from paddleocr_vl_client.downloads import remove_parts


@dataclass(frozen=True, slots=True)
class Command:
    """`module` has `add_arguments(parser)` and `run(options)`, which returns an exit status or becomes another program.
    It is imported only for its own subcommand."""

    module: str
    description: str


COMMANDS: Mapping[str, Command] = {
    "read": Command("paddleocr_vl_client.commands.read", "read files, folders and URLs into text"),
    "watch": Command("paddleocr_vl_client.commands.watch", "read what comes into a folder"),
    "bulk": Command("paddleocr_vl_client.commands.bulk", "read all files of a folder or a bucket"),
    "jobs": Command("paddleocr_vl_client.commands.jobs", "documents that a service reads in the background"),
    "bench": Command("paddleocr_vl_client.commands.bench", "put a service under load with given files"),
    "mcp": Command("paddleocr_vl_client.commands.mcp", "serve documents to an agent (Model Context Protocol)"),
    "serve": Command("supervision.launch", "start the service: the gateway and the engine"),
    "engine": Command("vlm_backend.__main__", "start the engine alone, in this process"),
    "doctor": Command("vlm_backend.doctor.command", "say what keeps the engine from starting"),
    "fetch-models": Command("supervision.fetch_models", "download the layout model and the weights"),
    "create-key": Command("gateway.keys.create", "make an API key, and its entry for API_KEYS_FILE"),
    "completion": Command("supervision.shell_completion", "print what completes this command in a shell"),
}


def build_parser(chosen: Container[str]) -> argparse.ArgumentParser:
    """chosen: the subcommands whose arguments are wanted."""
    parser = argparse.ArgumentParser(
        prog="paddleocr-vl",
        description="Documents in, Markdown and JSON out.",
        epilog="Settings are environment variables, for example: PORT=9000 paddleocr-vl serve",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=command.description, description=command.description)
        if name in chosen:
            module = import_module(command.module)
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    return parser


def import_environment() -> dict[str, str]:
    """With this, `python -m` of a process below finds our packages, and nothing else of the working folder, whose
    files may have names of modules."""
    safe = {"PYTHONSAFEPATH": "1"}
    if IS_INSTALLED:
        return safe
    checkout = str(Path(__file__).resolve().parents[1])
    return safe | {"PYTHONPATH": os.pathsep.join(filter(None, (checkout, os.environ.get("PYTHONPATH"))))}


def main(arguments: Sequence[str] | None = None) -> int:
    words = sys.argv[1:] if arguments is None else list(arguments)
    options = build_parser(words[:1]).parse_args(words)
    os.environ.update(import_environment())
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        status: int = options.run(options)
    except (Exception, KeyboardInterrupt) as error:
        failure = describe_failure(error)
        if failure is None:
            raise
        status, sentence = failure
        if sentence:
            say(f"paddleocr-vl: {sentence}")
        if isinstance(error, BrokenPipeError):
            # Python writes what it still holds when it ends, and would complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, KeyboardInterrupt):
            # What the subcommand holds is released by now, but for files; its threads may wait for answers for minutes.
            remove_parts()
            os._exit(status)
    return status


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """As Ctrl-C does, so that what a subcommand has started is stopped."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
