"""`vllm serve` in vLLM's own environment, run as a file: `python vlm_backend/vllm_entry.py --model ...`.

Its command wants a package of the name `vllm`, which the CPU build's is not, and its module of old serves with one
process whatever `--api-server-count` says.
"""

from __future__ import annotations

import os
import sys
import types


def main() -> None:
    from vllm.entrypoints.cli.serve import ServeSubcommand
    from vllm.entrypoints.launchers.cli_args import make_arg_parser
    from vllm.entrypoints.serve.utils.api_utils import cli_env_setup
    from vllm.logger import configure_logging_from_args
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    cli_env_setup()
    arguments = make_arg_parser(FlexibleArgumentParser(prog="vllm serve")).parse_args()
    configure_logging_from_args(arguments)
    serve = ServeSubcommand()
    serve.validate(arguments)
    serve.cmd(arguments)


FOLDER = os.path.dirname(os.path.abspath(__file__))
# In this folder `vllm` is a module of ours.
if sys.path[0] == FOLDER:
    del sys.path[0]
# The formatter of logs is `vlm_backend.logs`, here and in each process that vLLM spawns: they run this file first. The
# folder above is not put on the path, for it may hold all packages of another environment.
package = sys.modules.setdefault("vlm_backend", types.ModuleType("vlm_backend"))
package.__path__ = [FOLDER]

if __name__ == "__main__":
    main()
