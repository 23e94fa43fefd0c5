"""`make bench-hostile`: what one caller's hostile requests cost another, the probes and the memory.

The service runs as `make run` starts it, with the embedded engine and two keys. A polite caller reads one page after
the other, first alone and then beside the hostile requests of each kind, and asks `/livez` all the time, over a new
connection each time. Of each kind one request is sent by itself before: what the gateway and its workers take for it.
"""

from __future__ import annotations

import argparse
import http.client
import resource
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

import httpx
import psutil

from benchmarks.hostile.attacks import ADDRESS, AT_ONCE, HALF_OPEN, KEY, Attack, make_attacks
from benchmarks.report import ROOT, command, table, verdict, write_report
from benchmarks.service import Service, start_service

POLITE = "polite"
PAGE = ROOT / "examples" / "article-en.png"
PROBE_PAUSE_S = 0.02
GATHER_S = 3.0
"""Until the hostile requests hold what they can hold."""
REST_S = 30.0
"""After which no half-open connection may be left."""
RECOVERED, RECOVERY_S = 1.3, 60.0
"""The next attack begins when a page takes so many times what it took alone, or after so long."""
SAMPLE_S = 0.1
FILES_MAX_GB = "1"
"""What an attack may fill of this machine's disk."""
GOAL_LIVEZ_S, GOAL_SLOWDOWN, GOAL_MB = 0.2, 2.0, 150


@dataclass(frozen=True, slots=True)
class Outcome:
    """`single_mb`: of one request by itself, beyond what the gateway held before; None where it never ends."""

    name: str
    single_mb: float | None
    pages_s: Sequence[float]
    refused: int
    longest_livez_s: float
    peak_mb: float


class Probes:
    """Asks `/livez` in a thread of its own until `stop`; `longest_s` of all answers, infinite where one was not 200."""

    def __init__(self, service: Service) -> None:
        self.longest_s = 0.0
        self._port = _port(service)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._stop.wait(PROBE_PAUSE_S):
            began = time.perf_counter()
            alive = self._is_alive()
            self.longest_s = max(self.longest_s, time.perf_counter() - began if alive else float("inf"))

    def _is_alive(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.request("GET", "/livez")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


class Memory:
    """The most that the gateway and its workers hold while it is watched, MB of 10^6 bytes."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.start_mb = self.peak_mb = self._sample()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """MB beyond the start."""
        self._stop.set()
        self._thread.join()
        return self.peak_mb - self.start_mb

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_S):
            self.peak_mb = max(self.peak_mb, self._sample())

    def _sample(self) -> float:
        total = 0
        for process in self._service.tiers()["gateway"]:
            with suppress(psutil.Error):
                total += process.memory_info().rss
        return total / 1e6


class PoliteCaller:
    def __init__(self, service: Service) -> None:
        self._client = httpx.Client(base_url=service.url, headers={"X-API-Key": POLITE}, timeout=None, trust_env=False)
        self._page = PAGE.read_bytes()
        self.refused = 0

    def read_pages(self, count: int) -> list[float]:
        """Seconds that each page took; those that were refused are counted and tried again."""
        times = list[float]()
        while len(times) < count:
            began = time.perf_counter()
            answer = self._client.post("/ocr", files={"file": self._page}, data={"images": "none"})
            if answer.status_code == 200:
                times.append(time.perf_counter() - began)
            else:
                self.refused += 1
        return times


@contextmanager
def attacked(service: Service, name: str) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.hostile.attacks", service.url, name], cwd=ROOT)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def send_once(service: Service, name: str) -> float:
    memory = Memory(service)
    subprocess.run(
        [sys.executable, "-m", "benchmarks.hostile.attacks", service.url, name, "--once"], cwd=ROOT, check=True
    )
    return memory.stop()


def measure(service: Service, caller: PoliteCaller, name: str, attack: Attack, count: int) -> Outcome:
    caller.refused = 0
    single = send_once(service, name) if attack.ends else None
    probes, memory = Probes(service), Memory(service)
    with attacked(service, name):
        time.sleep(GATHER_S)
        pages = caller.read_pages(count)
        probes.stop()
        peak = memory.stop()
    outcome = Outcome(name, single, pages, caller.refused, probes.longest_s, peak)
    print(outcome, file=sys.stderr, flush=True)
    return outcome


def recover(caller: PoliteCaller, quiet_s: float) -> None:
    """What the attack left in workers ends meanwhile."""
    give_up = time.monotonic() + RECOVERY_S
    while time.monotonic() < give_up and caller.read_pages(1)[0] > RECOVERED * quiet_s:
        pass


def count_half_open(service: Service) -> tuple[int, int]:
    """Connections that said one letter: how many were taken, and how many are open after REST_S."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with ExitStack() as opened:
        clients = list[socket.socket]()
        for _ in range(HALF_OPEN):
            with suppress(OSError):
                client = socket.create_connection(("127.0.0.1", _port(service)), source_address=(ADDRESS, 0))
                clients.append(opened.enter_context(client))
                client.send(b"G")
        time.sleep(REST_S)
        return len(clients), sum(map(_is_open, clients))


def _is_open(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        while client.recv(65_536):
            pass
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def _port(service: Service) -> int:
    return int(service.url.rpartition(":")[2])


def _row(quiet_s: float, outcome: Outcome) -> list[str]:
    return [
        outcome.name,
        "–" if outcome.single_mb is None else f"{outcome.single_mb:.0f}",
        f"{statistics.median(outcome.pages_s) / quiet_s:.2f}",
        f"{max(outcome.pages_s):.2f}",
        str(outcome.refused),
        f"{1000 * outcome.longest_livez_s:.0f}",
        f"{outcome.peak_mb:.0f}",
    ]


def report(quiet: Sequence[float], quiet_livez_s: float, outcomes: Sequence[Outcome], left: tuple[int, int]) -> None:
    quiet_s = statistics.median(quiet)
    livez_s = max(outcome.longest_livez_s for outcome in outcomes)
    single_mb = max(outcome.single_mb or 0 for outcome in outcomes)
    slowdown = max(statistics.median(outcome.pages_s) for outcome in outcomes) / quiet_s
    refused = sum(outcome.refused for outcome in outcomes)
    goals = [
        ["longest `/livez` beside any attack", f"≤ {GOAL_LIVEZ_S} s", f"{livez_s:.3f} s", livez_s <= GOAL_LIVEZ_S],
        ["memory of one request", f"≤ {GOAL_MB} MB", f"{single_mb:.0f} MB", single_mb <= GOAL_MB],
        ["page beside any attack, median", f"≤ {GOAL_SLOWDOWN:g} ×", f"{slowdown:.2f} ×", slowdown <= GOAL_SLOWDOWN],
        ["answers to the polite caller but 200", "0", str(refused), not refused],
        [f"half-open connections of {left[0]} after {REST_S:.0f} s", "0", str(left[1]), not left[1]],
    ]
    write_report(
        "hostile",
        "What hostile requests cost another caller",
        f"Command: `{command()}`. The service as `make run` starts it, with the embedded engine and two keys. A polite "
        f"caller reads one page after the other: alone each takes {quiet_s:.2f} s, `/livez` at most "
        f"{1000 * quiet_livez_s:.0f} ms. Then {AT_ONCE} hostile requests of one kind at once are sent again and again "
        f"by another process on the same cores ({HALF_OPEN} connections where they are half-open). Memory is that of "
        "the gateway and its workers beyond what they held before; it is sampled every 0.1 s.",
        table(["what", "goal", "figure", "verdict"], [[*map(str, row[:3]), verdict(bool(row[3]))] for row in goals]),
        "## Each kind",
        table(
            [
                "kind",
                "one by itself, MB",
                "page, × alone",
                "longest page, s",
                "refused",
                "longest `/livez`, ms",
                "peak, MB",
            ],
            [_row(quiet_s, outcome) for outcome in outcomes],
        ),
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hostile.bench", description=__doc__)
    parser.add_argument("--pages", type=int, default=5, help="that the polite caller reads beside each attack")
    parser.add_argument("--kind", action="append", default=[], help="only this kind; no report is written")
    options = parser.parse_args()
    with start_service(API_KEYS=f"{KEY},{POLITE}", FILES_MAX_GB=FILES_MAX_GB) as service:
        caller = PoliteCaller(service)
        caller.read_pages(2)
        probes = Probes(service)
        quiet = caller.read_pages(options.pages)
        probes.stop()
        outcomes = list[Outcome]()
        for name, attack in make_attacks().items():
            if not options.kind or name in options.kind:
                outcomes.append(measure(service, caller, name, attack, options.pages))
                recover(caller, statistics.median(quiet))
        left = count_half_open(service)
    if options.kind:
        print(quiet, probes.longest_s, left)
    else:
        report(quiet, probes.longest_s, outcomes, left)


if __name__ == "__main__":
    main()
