"""A conversion worker process: `python -m gateway.conversion.conversion_worker <memory_mb> <file_mb>`.

Each request on stdin, a socket, brings two descriptors: of the body and of the file for what becomes of it. The answer
on stdout says the rest. A request gets a multiple of its body's size in memory, so that no body costs more; the gateway
replaces a worker that has grown.
"""

from __future__ import annotations

import os
import resource
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from gateway.conversion.json_bodies import DocumentPlace, split_body
from gateway.errors import ServiceError
from gateway.workers import messages, sandbox
from gateway.workers.messages import Header

Operation = Callable[[Header, IO[bytes], IO[bytes]], Header]
_MAX_GROWTH = 32 * 2**20
"""Bytes that a worker may keep of what it needed once."""
_PAGE = os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    requests, answers = sandbox.start_worker()
    memory_mb, file_mb = map(int, sys.argv[1:])
    sandbox.confine(memory_mb, file_mb)
    messages.send(answers, {"ready": True})
    while True:
        header, (source, target) = messages.receive_files(requests, 2)
        with os.fdopen(source, "rb") as body, os.fdopen(target, "wb") as output:
            answer = serve(header, body, output)
        messages.send(answers, answer)


def serve(request: Header, body: IO[bytes], output: IO[bytes]) -> Header:
    """Never raises for what a body holds."""
    operation = _load_operation(request["op"])
    before = _peak_bytes()
    try:
        with _limit_memory(request["memory"]):
            answer = operation(request, body, output)
            output.flush()
    except ServiceError as error:
        answer = {"error": messages.pack_error(error)}
    except (MemoryError, OSError):
        answer = {"error": messages.pack_error(ServiceError(413, "out_of_memory", _TOO_COMPLEX))}
    except Exception:
        answer = {"failure": traceback.format_exc()[-2000:]}
    return {**answer, "has_grown": _peak_bytes() - before > _MAX_GROWTH}


_TOO_COMPLEX = "The body needs more memory than its size allows it, or becomes more than the service answers."


@contextmanager
def _limit_memory(growth: int) -> Iterator[None]:
    """Bounds the address space to what is taken now and `growth` bytes."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm", "rb") as file:
        taken = int(file.read().split()[0]) * _PAGE
    resource.setrlimit(resource.RLIMIT_AS, (min(taken + growth, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _split(request: Header, body: IO[bytes], output: IO[bytes]) -> Header:
    places = [DocumentPlace(**place) for place in request["places"]]
    takes_all = request["takes_all"]
    rest, sizes = split_body(places, body.read(), request["max_rest"], output.write, takes_all=takes_all)
    return {"rest": rest, "sizes": sizes}


def _load_operation(name: str) -> Operation:
    """Modules of the larger ones take half a second and 50 MB, none of which is a request's."""
    if name == "split":
        return _split

    if name == "format":
        from gateway.formats.conversion import write_format

        return write_format
    if name == "restructure_pages":
        from gateway.conversion.page_files import write_restructured_pages

        return write_restructured_pages

    import gateway.assembly.docx.writer  # noqa: F401

    if name == "restructure":
        from gateway.api.paddlex.restructure_pages import write_restructured

        return write_restructured
    from gateway.api.paddlex.export import write_results

    return write_results


if __name__ == "__main__":
    try:
        main()
    except messages.ProtocolError:
        sys.exit(0)  # the gateway has gone
