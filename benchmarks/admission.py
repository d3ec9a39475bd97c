"""What limits add to a call: its admission and its settlement, with five limits that bind it, by where counters are.

    python benchmarks/admission.py [--calls 3000] [--seconds 3] [--clients 2] [--json FILE]

Times are of the clock on the wall, in microseconds, from one thread; `both` is admission and settlement together. The
sidecar is a process of its own on this host, its counters a SQLite file. Without a lease, what was settled rides with
the next admission; `calls of 20 ms` are far enough apart that it has been sent by itself before. `each question alone`
is what it would be without that. Then: how many calls one sidecar process
admits and settles in a second, asked by so many processes without leases; and what a sidecar costs that takes
connections and says nothing.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from tollkeeper.model import Call
from tollkeeper.model.decision import Bound, Denial
from tollkeeper.model.limit import Limit, Window
from tollkeeper.policy import Policy
from tollkeeper.storage.admission import Admission
from tollkeeper.storage.counters import Counters
from tollkeeper.storage.counters.guarded import GuardedCounters
from tollkeeper.storage.counters.leased import LeasedCounters
from tollkeeper.storage.counters.memory import MemoryCounters
from tollkeeper.storage.counters.remote import RemoteCounters
from tollkeeper.storage.counters.sqlite import SqliteCounters

SOURCE = Path(__file__).resolve().parents[1] / "src"
POLICY = Policy(
    "benchmark",
    (
        Limit("requests", "requests", 10**9, Window("minute", rolling=True)),
        Limit("tokens", "tokens", 10**12, Window("minute"), per=("tenant",)),
        Limit("budget", "usd", 10**15, Window("day")),
        Limit("tenants", "usd", 10**15, Window("month"), per=("tenant", "feature")),
        Limit("concurrency", "concurrency", 10**6),
    ),
)
BOUND, USED = Bound(1200, 800, 900_000), Bound(1200, 310, 400_000)
WARM_UP = 100
PATIENT = 10.0
"""Seconds for an answer: what is measured is how long it takes, and not whether it comes in time."""

HEAD = "| | both, median | p99 | admit | settle |\n| --- | --: | --: | --: | --: |"


class Figures(NamedTuple):
    """Microseconds of each call."""

    admit: list[float]
    settle: list[float]

    def row(self, name: str) -> str:
        both = sorted(map(sum, zip(self.admit, self.settle, strict=True)))
        late = both[len(both) * 99 // 100]
        return f"| {name} | {median(both):.1f} | {late:.0f} | {median(self.admit):.1f} | {median(self.settle):.1f} |"


def measure(counters: Counters, calls: int, seconds: float = 0) -> Figures:
    """`seconds` is how long each call takes, and the pause after it."""
    admission = Admission(POLICY, counters, "benchmark")
    call = Call("0", "openai", "chat", time.time_ns(), "gpt-4o-mini", tags={"tenant": "acme", "feature": "search"})
    figures, clock, name = Figures([], []), time.perf_counter_ns, f"{time.time_ns()}"
    for number in range(calls + WARM_UP):
        began = clock()
        ticket = admission.admit(f"{name}-{number}", admission.bindings(call), BOUND)
        admitted = clock()
        assert not isinstance(ticket, Denial), ticket
        if seconds:
            time.sleep(seconds)
        sent = clock()
        admission.settle(ticket, USED)
        ended = clock()
        if seconds:
            time.sleep(seconds)
        if number >= WARM_UP:
            figures.admit.append((admitted - began) / 1000)
            figures.settle.append((ended - sent) / 1000)
    counters.close()
    return figures


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def sidecar(folder: Path) -> Iterator[tuple[str, str]]:
    """A sidecar's two URLs: its unix socket, and loopback."""
    port, path = free_port(), folder / "s.sock"
    command = [sys.executable, "-m", "tollkeeper", "serve", "--port", f"{port}", "--grpc-port", "off",
               "--ledger", f"sqlite:///{folder}/ledger.db", "--socket", str(path)]  # fmt: skip
    process = subprocess.Popen(command, env={"PYTHONPATH": str(SOURCE)}, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        counters = RemoteCounters(f"unix://{path}", seconds=PATIENT)
        while True:
            try:
                counters.read([])
            except Exception:
                if time.monotonic() > until or process.poll() is not None:
                    raise
                time.sleep(0.05)
            else:
                break
        yield f"unix://{path}", f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def client(url: str, seconds: float) -> None:
    """One of the processes that ask without leases: prints how many calls went."""
    admission = Admission(POLICY, GuardedCounters(RemoteCounters(url, seconds=PATIENT)), "client")
    call = Call("0", "openai", "chat", time.time_ns(), "gpt-4o-mini", tags={"tenant": "acme", "feature": "search"})
    bindings, name, number = admission.bindings(call), f"{time.time_ns()}", 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ticket = admission.admit(f"{name}-{number}", bindings, BOUND)
        assert not isinstance(ticket, Denial)
        admission.settle(ticket, USED)
        number += 1
    admission.counters.close()
    print(number)


def throughput(url: str, clients: int, seconds: float) -> float:
    """Calls admitted and settled in a second."""
    command = [sys.executable, __file__, "--client", url, "--seconds", f"{seconds}"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(clients)]
    return sum(int(process.communicate()[0]) for process in processes) / seconds


def dead() -> tuple[float, float]:
    """Microseconds of the first call and of the ones after it, where nobody answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        counters = LeasedCounters(GuardedCounters(RemoteCounters(url)))
        admission = Admission(POLICY, counters, "benchmark")
        call = Call("0", "openai", "chat", time.time_ns(), "gpt-4o-mini", tags={"tenant": "acme", "feature": "search"})
        bindings, taken = admission.bindings(call), []
        for number in range(501):
            began = time.perf_counter_ns()
            denied = admission.admit(f"{number}", bindings, BOUND)
            taken.append((time.perf_counter_ns() - began) / 1000)
            assert isinstance(denied, Denial)
        return taken[0], median(taken[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=3000)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--client", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        client(options.client, options.seconds)
        return
    print(HEAD, flush=True)
    found: dict[str, object] = {}

    def show(name: str, counters: Counters, calls: int = options.calls, seconds: float = 0) -> None:
        figures = measure(counters, calls, seconds)
        found[name] = figures._asdict()
        print(figures.row(name), flush=True)

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        show("memory", MemoryCounters())
        show("SQLite", SqliteCounters(folder / "counters.db"))
        show("SQLite, leased", LeasedCounters(GuardedCounters(SqliteCounters(folder / "counters.db"))))
        unix, loopback = stack.enter_context(sidecar(folder))
        show("sidecar, unix socket", GuardedCounters(RemoteCounters(unix, seconds=PATIENT)))
        show("sidecar, loopback", GuardedCounters(RemoteCounters(loopback, seconds=PATIENT)))
        apart = GuardedCounters(RemoteCounters(unix, seconds=PATIENT))
        show("sidecar, unix socket, calls of 20 ms", apart, options.calls // 20, 0.02)
        show("sidecar, unix socket, each question alone", RemoteCounters(unix, seconds=PATIENT))
        show("sidecar, leased", LeasedCounters(GuardedCounters(RemoteCounters(unix, seconds=PATIENT))))
        found["calls a second"] = rate = throughput(unix, options.clients, options.seconds)
    found["dead"] = first, later = dead()
    print("\n| | |\n| --- | --: |")
    print(f"| calls a second of one sidecar process, {options.clients} clients without leases | {rate:,.0f} |")
    print(f"| the first call to a dead sidecar, µs | {first:,.0f} |\n| the ones after it, µs | {later:.1f} |")
    if options.json:
        options.json.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
