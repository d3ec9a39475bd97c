"""What the spool costs the caller's thread: a mark when a call is sent, and its record before the call returns.

    python benchmarks/spool.py [--calls 20000] [--threads 4] [--folder DIR] [--json FILE]

Times are of the clock on the wall, in microseconds, encoding included; the shipper is at work meanwhile, and what it
delivers to says yes at once. `write alone` is a plain `os.write` of as many bytes, in the same rounds: the floor.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from tollkeeper import Call, Cost, LineItem, Usage
from tollkeeper.capture.sinks.spool import SpoolSink
from tollkeeper.storage.spool import Batch, Spool
from tollkeeper.telemetry.record import encode

ROUND = 100


class Nowhere:
    """Takes everything."""

    name = "nowhere"

    def ship(self, batch: Batch) -> None:
        pass

    def forget(self) -> None:
        pass

    def close(self) -> None:
        pass


def begun(number: int) -> Call:
    """A chat call as it is sent."""
    return Call(
        f"0190a5c0-0000-7000-8000-{number:012x}",
        "openai",
        "chat",
        time.time_ns(),
        request_model="gpt-4o-mini",
        endpoint="api.openai.com/v1/chat/completions",
        server_address="api.openai.com",
        server_port=443,
        parameters={"gen_ai.request.max_tokens": 300, "gen_ai.request.temperature": 0.7},
        tags={"tenant": "acme", "user": "u-17", "feature": "match_pattern"},
    )


def ended(call: Call) -> Call:
    """The same, answered and priced."""
    call.duration, call.status_code, call.service_tier = 0.7391283, 200, "default"
    call.response_model, call.response_id = "gpt-4o-mini-2024-07-18", "chatcmpl-BZxQ7Qw7rYkT0m1nGq3xP5aLd9cVe"
    call.finish_reasons = ("stop",)
    call.usage = Usage(input_tokens=1250, output_tokens=300, cache_read_tokens=1024, reasoning_tokens=0)
    call.usage_source, call.price_status = "provider", "priced"
    items = (
        LineItem("input", 226, Decimal("0.00000015"), Decimal("0.0000339")),
        LineItem("cache_read", 1024, Decimal("0.000000075"), Decimal("0.0000768")),
        LineItem("output", 300, Decimal("0.0000006"), Decimal("0.00018")),
    )
    call.cost = Cost(Decimal("0.0002907"), "catalog", items, "2026-11-01")
    call.trace_id, call.span_id = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    return call


def timed(work: Callable[[Call], object], calls: list[Call]) -> list[float]:
    """Microseconds of each."""
    clock, taken = time.perf_counter_ns, []
    for call in calls:
        started = clock()
        work(call)
        taken.append((clock() - started) / 1000)
    return taken


def measure(sink: SpoolSink, plain: int, calls: int) -> dict[str, list[float]]:
    """Rounds of all kinds of work, one after the other, so that noise hits all alike."""
    found: dict[str, list[float]] = {"mark": [], "record": [], "encode alone": [], "write alone": []}
    for at in range(0, calls, ROUND):
        batch = [begun(at + number) for number in range(ROUND)]
        found["mark"] += timed(sink.begin, batch)
        for call in batch:
            ended(call)
        found["record"] += timed(lambda call: sink.record(call, None), batch)
        found["encode alone"] += timed(encode, batch)
        line = encode(batch[0]).encode()
        found["write alone"] += timed(lambda _, line=line: os.write(plain, line), batch)
    return found


def measure_threads(sink: SpoolSink, plain: int, calls: int, threads: int) -> dict[str, list[float]]:
    """The same from several threads at once; what any of them measured."""
    all_found: list[dict[str, list[float]]] = []
    workers = [
        threading.Thread(target=lambda: all_found.append(measure(sink, plain, calls // threads)))
        for _ in range(threads)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return {name: [each for found in all_found for each in found[name]] for name in all_found[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--folder", help="where the spool is made; the disk is what is measured (default: TMPDIR)")
    parser.add_argument("--json", type=Path, help="where the figures go")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        spool = Spool(Path(folder) / "spool", Nowhere(), 256 << 20)
        sink = SpoolSink(spool)
        plain = os.open(Path(folder) / "plain", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        figures = {
            "one thread": measure(sink, plain, options.calls),
            f"{options.threads} threads": measure_threads(sink, plain, options.calls, options.threads),
        }
        os.close(plain)
        delivered = spool.finish(30)
        state = spool.state
    print("| µs on the caller's thread | median | p90 | p99 |\n| --- | ---: | ---: | ---: |")
    written = {}
    for who, found in figures.items():
        for name, taken in found.items():
            cuts = statistics.quantiles(taken, n=100)
            print(f"| {name}, {who} | {statistics.median(taken):.1f} | {cuts[89]:.1f} | {cuts[98]:.1f} |")
            written[f"{name}, {who}"] = {"median": statistics.median(taken), "p90": cuts[89], "p99": cuts[98]}
    print(f"\nshipped {state.shipped}, dropped {state.dropped}, everything delivered: {delivered}")
    if options.json:
        options.json.write_text(json.dumps(written, indent=1))


if __name__ == "__main__":
    main()
