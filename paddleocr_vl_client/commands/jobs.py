"""`paddleocr-vl jobs`: documents that a service reads in the background."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import get_args

import msgspec

from paddleocr_vl_client.client import Client
from paddleocr_vl_client.commands.failures import CommandError, ExitStatus, say, show_line
from paddleocr_vl_client.commands.inputs import BINARY, ENDINGS
from paddleocr_vl_client.commands.progress import Progress
from paddleocr_vl_client.commands.services import add_service_arguments, open_client
from paddleocr_vl_client.models import Job, JobState
from paddleocr_vl_client.pauses import poll_pauses


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("ls", help="your key's jobs, newest first")
    listing.add_argument("--state", choices=get_args(JobState))
    listing.add_argument("--batch", help="the name of a batch")
    show = actions.add_parser("get", help="how far a job is")
    wait = actions.add_parser("wait", help="wait for a job's end and write its result")
    cancel = actions.add_parser("cancel", help="end jobs and remove what is kept of them")
    show.add_argument("job", help="id of the job")
    wait.add_argument("job", help="id of the job")
    wait.add_argument(
        "-f", "--format", choices=tuple(ENDINGS), default="markdown", help="of the result; default: markdown"
    )
    wait.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: the standard output")
    cancel.add_argument("job", nargs="+", help="ids of the jobs")
    for action in (listing, show):
        action.add_argument("--json", action="store_true", help="a line of JSON for each job")
    for action in (listing, show, wait, cancel):
        add_service_arguments(action, starts_service=False)


def run(options: argparse.Namespace) -> int:
    with open_client(options, starts_service=False) as client:
        return _ACTIONS[options.action](client, options)


def _list(client: Client, options: argparse.Namespace) -> int:
    for job in client.jobs.list(state=options.state, batch=options.batch):
        _print(job, options.json)
    return ExitStatus.OK


def _show(client: Client, options: argparse.Namespace) -> int:
    _print(client.jobs.get(options.job), options.json)
    return ExitStatus.OK


def _wait(client: Client, options: argparse.Namespace) -> int:
    if options.output is None and options.format in BINARY and sys.stdout.isatty():
        raise CommandError(f"{options.format} is not text: name a file for it with -o.", ExitStatus.USAGE)
    with Progress(1) as progress, progress.pages(options.job) as bar:
        for pause_s in poll_pauses(None):
            job = client.jobs.get(options.job)
            bar.show(job.progress.done, job.progress.total)
            if job.has_ended:
                break
            time.sleep(pause_s)
    found = client.jobs.convert(options.job, options.format, options.output)
    if found.content is not None:
        sys.stdout.buffer.write(found.content)
    if found.warnings:
        say(found.warnings)
    return ExitStatus.OK


def _cancel(client: Client, options: argparse.Namespace) -> int:
    for job_id in options.job:
        client.jobs.cancel(job_id)
    return ExitStatus.OK


_ACTIONS: Mapping[str, Callable[[Client, argparse.Namespace], int]] = {
    "ls": _list,
    "get": _show,
    "wait": _wait,
    "cancel": _cancel,
}


def _print(job: Job, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.encode(job).decode() + "\n")
        return
    created = datetime.fromtimestamp(job.created).astimezone().isoformat(" ", "seconds")
    total = "?" if job.progress.total is None else job.progress.total
    error = f"  {job.error.detail}" if job.error else ""
    name = job.name or (job.document.name if job.document else "")
    line = f"{job.id}  {job.state:<9}  {job.progress.done}/{total}  {created}  {name}{error}"
    sys.stdout.write(f"{show_line(line)}\n")
