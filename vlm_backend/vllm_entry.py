"""`vllm serve` in vLLM's own environment, run as a file: `python vlm_backend/vllm_entry.py --model ...`.

Its command wants a package of the name `vllm`, which the CPU build's is not, and its module of old serves with one
process whatever `--api-server-count` says. Only what vLLM 0.32 and 0.33 have in the same place is imported.

Where vLLM refuses its arguments or the model, another start would end like this one. The status file of the tier
(`vlm_backend/status.py`) then says `refused`, as after a failure that the doctor found, and the exit status is 78.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import traceback
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

STATUS_FILE = "VLM_STATUS_FILE"
"""Environment variable with the path of that file."""
CONFIGURATION_ERROR = 78
CONFIGURING = "create_engine_config"
"""vLLM's function that looks at the arguments and the model's files, before a process is started or a card touched."""
FINAL = (ValueError, TypeError, NotImplementedError, LookupError, AttributeError)
"""What it raises for what only other arguments or another model would mend; pydantic's errors are ValueErrors."""
PASSING = (OSError, MemoryError)
"""A file system that is away for a while, and the like."""


class ArgumentsRefused(Exception):
    """The message is argparse's."""


def make_parser() -> Any:  # noqa: ANN401 - vLLM's, which is untyped
    """The parser of `vllm serve`; an error in the arguments raises ArgumentsRefused."""
    from vllm.entrypoints.cli.serve import ServeSubcommand
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    class Parser(FlexibleArgumentParser):  # type: ignore[misc]
        def error(self, message: str) -> NoReturn:
            raise ArgumentsRefused(message)

    return ServeSubcommand().subparser_init(Parser(prog="vllm").add_subparsers())


def serve() -> None:
    from vllm.entrypoints.cli.serve import ServeSubcommand
    from vllm.logger import configure_logging_from_args

    arguments = make_parser().parse_args()
    configure_logging_from_args(arguments)
    command = ServeSubcommand()
    command.validate(arguments)
    command.cmd(arguments)


def main() -> None:
    try:
        serve()
    except ArgumentsRefused as error:
        # Without the usage, which is twenty kilobytes long.
        sys.stderr.write(f"vllm serve: error: {error}\n")
        refuse(f"vLLM does not take its arguments: {error}.")
    except Exception as error:
        if not is_final(error):
            raise
        traceback.print_exc()
        from vlm_backend.last_words import find_reason

        refuse(find_reason("".join(traceback.format_exception(error))) or repr(error))


def is_final(error: Exception) -> bool:
    """Whether vLLM would refuse the same arguments and the same model folder again. A model from the hub may come."""
    if not isinstance(error, FINAL) or any(isinstance(one, PASSING) for one in _chain(error)):
        return False
    if not os.path.isdir(_model()):
        return False
    return any(frame.f_code.co_name == CONFIGURING for frame, _ in traceback.walk_tb(error.__traceback__))


def refuse(reason: str) -> NoReturn:
    """A status file that can't be written costs vain tries, nothing else."""
    with contextlib.suppress(KeyError, OSError, ValueError):
        file = Path(os.environ[STATUS_FILE])
        failure = {"check": "vllm", "detail": reason, "remedy": ""}
        status = json.loads(file.read_text(encoding="utf-8")) | {"state": "refused", "failures": [failure]}
        draft = file.with_name(f".{file.name}.refused")
        draft.write_text(json.dumps(status), encoding="utf-8")
        draft.replace(file)
    sys.exit(CONFIGURATION_ERROR)


def _model() -> str:
    """What stands behind `--model`, which our command always has."""
    words = sys.argv[1:]
    return words[words.index("--model") + 1] if "--model" in words[:-1] else ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and those that led to it."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


FOLDER = os.path.dirname(os.path.abspath(__file__))
# In this folder `vllm` is a module of ours.
if sys.path[0] == FOLDER:
    del sys.path[0]
# The formatter of logs is in `common.logs`, here and in each process that vLLM spawns: they run this file first.
# The folder above is not put on the path, for it may hold all packages of another environment.
for name, folder in (("vlm_backend", FOLDER), ("common", os.path.join(os.path.dirname(FOLDER), "common"))):
    package = sys.modules.setdefault(name, types.ModuleType(name))
    package.__path__ = [folder]

if __name__ == "__main__":
    main()
