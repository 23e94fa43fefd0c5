"""Who reads the files of a run: threads of this process, or actors of Ray Data. Rows come as files are done."""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import os
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager

import pyarrow as pa

from paddleocr_vl_client.bulk.reading import FileReader, Plan
from paddleocr_vl_client.bulk.results import Row
from paddleocr_vl_client.bulk.table import decode_rows, encode_rows
from paddleocr_vl_client.commands.failures import CommandError, ExitStatus

OWN_SESSION = "local"
"""The address of a Ray that is started for the run."""
_THREADS_AN_ACTOR = 32
_ACTOR_CPUS = 0.1
"""Threads of an actor wait for services. Ray counts logical CPUs: whole ones would keep actors from starting."""
_BLOCKS_A_THREAD = 64
"""So that no thread has much left to do when the others are done. A block, which is a task, costs 10 ms of CPU and some
50 kB: smaller ones would cost millions of files too much."""
_OBJECT_STORE_BYTES = 100 * 2**20
"""Ray's smallest but a little: keys and rows are all that it holds."""


def read_by_threads(plan: Plan, keys: Sequence[str], parallel: int) -> Iterator[Row]:
    """`parallel` files at once. A file is begun only when the rows of those before it are taken."""
    reader = FileReader(plan)
    executor = ThreadPoolExecutor(parallel, thread_name_prefix="bulk")
    left, is_interrupted = iter(keys), False
    try:
        running: set[Future[Row]] = {executor.submit(reader.read, key) for key in itertools.islice(left, 2 * parallel)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            running |= {executor.submit(reader.read, key) for key in itertools.islice(left, len(done))}
            yield from (one.result() for one in done)
    except KeyboardInterrupt:
        is_interrupted = True
        raise
    finally:
        # Who interrupts a run does not wait for what is in work.
        executor.shutdown(wait=not is_interrupted, cancel_futures=True)
        if not is_interrupted:
            reader.close()


class ReadActor:
    """What Ray Data calls with keys, from several threads at once."""

    def __init__(self, plan: Plan) -> None:
        self._reader = FileReader(plan)

    def __call__(self, keys: pa.Table) -> pa.Table:
        return encode_rows([self._reader.read(key) for key in keys["key"].to_pylist()])


def read_on_ray(plan: Plan, keys: Sequence[str], parallel: int, address: str) -> Iterator[Row]:
    """`parallel` files at once on the cluster at `address`. CommandError where there is none, or it gives up."""
    actors = math.ceil(parallel / _THREADS_AN_ACTOR)
    with _ray_session(address, math.ceil(actors * _ACTOR_CPUS)):
        import ray
        from ray import data

        threads = math.ceil(parallel / actors)
        size = math.ceil(len(keys) / (parallel * _BLOCKS_A_THREAD))
        blocks = [pa.table({"key": keys[at : at + size]}) for at in range(0, len(keys), size)]
        pool = data.ActorPoolStrategy(
            size=actors,
            max_tasks_in_flight_per_actor=threads + 2,
            max_concurrent_calls_per_actor=threads,
            enable_true_multi_threading=True,
        )
        rows = data.from_arrow(blocks).map_batches(
            ReadActor,
            fn_constructor_args=(plan,),
            batch_size=None,
            batch_format="pyarrow",
            compute=pool,
            num_cpus=_ACTOR_CPUS,
        )
        try:
            for table in rows.iter_batches(batch_size=None, batch_format="pyarrow"):
                yield from decode_rows(table)
        except ray.exceptions.RayError as error:
            raise CommandError(f"Ray gave up: {str(error).strip().splitlines()[-1]}") from error


@contextmanager
def _ray_session(address: str, cpus: int) -> Iterator[None]:
    """Ray, which says nothing of itself to anybody, until the end. One of its own leaves no files.

    `cpus`: the logical ones of its own; Ray starts as many processes ahead.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    if address == OWN_SESSION and "RAY_AUTH_MODE" not in os.environ:
        # Else Ray would leave a token of its own in the home folder.
        os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
    import ray
    from ray import data

    quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
    with contextlib.ExitStack() as stack:
        try:
            if address == OWN_SESSION:
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True))
                ray.init(
                    address="local", num_cpus=cpus, _temp_dir=folder, include_dashboard=False,
                    object_store_memory=_OBJECT_STORE_BYTES, **quiet,
                )  # fmt: skip
            else:
                ray.init(address=address, **quiet)
        except (ConnectionError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise CommandError(f"There is no Ray at {address}: {reason}", ExitStatus.NO_SERVICE) from error
        stack.callback(ray.shutdown)
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        data.DataContext.get_current().enable_progress_bars = False
        yield
