"""`paddleocr-vl bulk`: millions of files of a folder or a bucket, read by one service or by many."""

from __future__ import annotations

import argparse
import os
from contextlib import ExitStack
from importlib.util import find_spec

from paddleocr_vl_client.commands.failures import CommandError, ExitStatus, say
from paddleocr_vl_client.commands.inputs import add_option_arguments, parse_read_options
from paddleocr_vl_client.commands.services import add_service_arguments, check_url, open_service
from paddleocr_vl_client.connections import KEY_VARIABLE, URL_VARIABLE
from paddleocr_vl_client.options import ReadOptions

RAY_VARIABLE = "RAY_ADDRESS"
_PARALLEL = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", help="folder or s3://BUCKET/PREFIX of the documents")
    parser.add_argument("target", help="folder or s3://BUCKET/PREFIX for the results; what it holds is not read again")
    add_option_arguments(parser)
    parser.add_argument(
        "-j", "--parallel", type=int, metavar="N", help=f"files at once; default: {_PARALLEL} for each service"
    )
    parser.add_argument(
        "--tries", type=int, default=3, metavar="N", help="tries before a file is set aside; default: 3"
    )
    parser.add_argument("--retry-failed", action="store_true", help="read again what was set aside")
    parser.add_argument("--strict", action="store_true", help="end with 4 where something of a document is missing")
    parser.add_argument(
        "--ray-address",
        metavar="ADDRESS",
        help=f"read on this Ray cluster (auto, ray://HOST:10001), or on a Ray that is started for this run (local); "
        f"default: {RAY_VARIABLE}, else threads of this command read",
    )
    add_service_arguments(parser, several=True)


def run(options: argparse.Namespace) -> int:
    """The exit status: `ExitStatus` says which."""
    if options.tries < 1 or (options.parallel is not None and options.parallel < 1):
        raise CommandError("--tries and --parallel are whole numbers from 1.", ExitStatus.USAGE)
    ray_address = options.ray_address or os.environ.get(RAY_VARIABLE)
    _require_packages("pyarrow", *(["ray"] if ray_address else []))
    # They need these packages themselves.
    from paddleocr_vl_client.bulk.execution import OWN_SESSION
    from paddleocr_vl_client.bulk.reading import Plan
    from paddleocr_vl_client.bulk.run import run_plan
    from paddleocr_vl_client.bulk.stores import normalize_place

    if ray_address not in (None, OWN_SESSION) and not (options.url or os.environ.get(URL_VARIABLE)):
        raise CommandError("Name a service that the nodes of the cluster reach with --url.", ExitStatus.USAGE)
    # Nobody waits for a single file of these.
    read_options: ReadOptions = {"priority": "batch", **parse_read_options(options)}
    with ExitStack() as stack:
        urls = [check_url(url) for url in options.url]
        if len(urls) < 2:
            urls = [stack.enter_context(open_service(next(iter(urls), None), options.wait))]
        plan = Plan(
            source=normalize_place(options.source),
            target=normalize_place(options.target),
            urls=tuple(urls),
            api_key=os.environ.get(KEY_VARIABLE),
            options=read_options,
            tries=options.tries,
            wait_s=options.wait,
            retries_failed=options.retry_failed,
        )
        tally = run_plan(plan, options.parallel or _PARALLEL * len(urls), ray_address)
    say(
        f"Files: {tally.files - tally.failed} done ({tally.pages} pages), {tally.failed} set aside, "
        f"{tally.before} in the table before."
    )
    if tally.failed:
        return ExitStatus.FAILED
    return ExitStatus.INCOMPLETE if options.strict and tally.partial else ExitStatus.OK


def _require_packages(*names: str) -> None:
    if missing := [name for name in names if find_spec(name) is None]:
        raise CommandError(
            f"bulk needs {' and '.join(missing)}: pip install 'paddleocr-vl-service[bulk]' brings what is missing."
        )
