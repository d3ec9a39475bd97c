"""What it costs to ask counters: reserve and settle of a call with five charges, by each kind.

    python benchmarks/counters.py [--calls 200] [--rounds 50] [--redis URL] [--json FILE]

Times are of the clock on the wall, in microseconds, from one thread. Two floors: `bare EVALSHA` is a script that only
answers, asked by the Redis client's own `evalsha`; and `on one connection` by a connection alone, as the counters do.
Rounds are short and many, and how many times a floor it is is the median of the rounds: a busy host is busy for both.
Without `--redis`, a server is started on a free port where one is installed (redis-server or valkey-server).
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from operator import truediv
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from redis import Redis

from tollkeeper.storage.counters import Charge, Counters, Hold
from tollkeeper.storage.counters.memory import MemoryCounters
from tollkeeper.storage.counters.redis import RedisCounters
from tollkeeper.storage.counters.sqlite import SqliteCounters

HOUR = 3_600_000_000_000
USED = (1, 1200, 900_000, 1, 1)
BARE = "return 1"
RESERVE = "redis, reserve"
CHANCE = Random(1)
FLOORS = ("bare EVALSHA", "bare EVALSHA on one connection")


@contextmanager
def redis_server() -> Iterator[str | None]:
    """The URL of a server of this run's own, or nothing where no server is installed."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        yield None
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "--bind", "127.0.0.1", "--port", f"{port}", "--dir", folder, "--save", ""]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            for _ in range(500):
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.01)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
            process.wait()


def holds(calls: int) -> list[Hold]:
    """Calls of a user with limits of each kind, of all sizes; none is ever refused."""
    now = time.time_ns()
    tokens, budget, requests, rate, slots = (
        Charge('tokens day ["acme"] ', 0, 10**14, until=now + HOUR),
        Charge('budget month ["acme", "u-17"] ', 0, 2**53, until=now + HOUR),
        Charge('requests day ["acme"] ', 1, 10**12, until=now + HOUR),
        Charge('requests minute ["u-17"] ', 1, 10**10, kind="rate", window=60 * 10**9, burst=10**9),
        Charge('concurrency ["acme"] ', 1, 10**9, kind="slots"),
    )
    made = []
    for _ in range(calls):
        size = CHANCE.randint(200, 8000)
        amounts = tokens._replace(amount=size), budget._replace(amount=size * 625)
        made.append(Hold(str(uuid.uuid4()), "benchmark", now + HOUR, (requests, *amounts, rate, slots)))
    return made


def timed(work: Callable[[Hold], object], calls: list[Hold]) -> list[float]:
    """Microseconds of each."""
    clock, taken = time.perf_counter_ns, []
    for hold in calls:
        started = clock()
        work(hold)
        taken.append((clock() - started) / 1000)
    return taken


def measure(kinds: dict[str, Counters], url: str | None, calls: int, rounds: int) -> dict[str, list[float]]:
    """Rounds of all kinds, one after the other, so that noise hits all alike."""
    found: dict[str, list[float]] = {}
    with ExitStack() as stack:
        floors: dict[str, Callable[[Hold], object]] = {}
        if url is not None:
            client = stack.enter_context(Redis.from_url(url))
            sha = client.script_load(BARE)
            connection = client.connection_pool.make_connection()
            stack.callback(connection.disconnect)

            def alone(_: Hold) -> object:
                connection.send_command("EVALSHA", sha, 1, "{bare}")
                return connection.read_response()

            floors = dict(zip(FLOORS, (lambda _: client.evalsha(sha, 1, "{bare}"), alone), strict=True))
        for _ in range(rounds):
            for name, work in floors.items():
                found.setdefault(name, []).extend(timed(work, holds(calls)))
            for name, counters in kinds.items():
                some = holds(calls)
                found.setdefault(f"{name}, reserve", []).extend(timed(counters.reserve, some))
                settled = timed(lambda hold, counters=counters: counters.settle(hold, USED), some)
                found.setdefault(f"{name}, settle", []).extend(settled)
    return found


def medians(taken: list[float], calls: int) -> list[float]:
    """Of each round."""
    return [statistics.median(taken[at : at + calls]) for at in range(0, len(taken), calls)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=200, help="of each round")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--redis", help="the URL of a server; counters of its own prefix are left there")
    parser.add_argument("--json", type=Path, help="where the figures go")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        url = options.redis or stack.enter_context(redis_server())
        kinds: dict[str, Counters] = {
            "memory": MemoryCounters(),
            "sqlite": SqliteCounters(Path(folder) / "counters.db"),
        }
        if url is not None:
            kinds["redis"] = RedisCounters(url, f"benchmark-{uuid.uuid4().hex}", timeout_seconds=5)
        found = measure(kinds, url, options.calls, options.rounds)
        for counters in kinds.values():
            counters.close()
    print("| µs with five charges | median | p90 | p99 |\n| --- | ---: | ---: | ---: |")
    written = {}
    for name, taken in found.items():
        cuts = statistics.quantiles(taken, n=100)
        written[name] = {"median": statistics.median(taken), "p90": cuts[89], "p99": cuts[98]}
        print(f"| {name} | {written[name]['median']:.1f} | {cuts[89]:.1f} | {cuts[98]:.1f} |")
    print()
    if url is None:
        print("no redis-server or valkey-server is installed, and no --redis was given", file=sys.stderr)
    else:
        for floor in FLOORS:
            ratio = statistics.median(
                map(truediv, medians(found[RESERVE], options.calls), medians(found[floor], options.calls))
            )
            print(f"{RESERVE}: {ratio:.2f} times {floor}")
    if options.json:
        options.json.write_text(json.dumps(written, indent=1))


if __name__ == "__main__":
    main()
