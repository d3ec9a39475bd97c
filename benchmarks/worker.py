"""One contestant in one process: real SDKs over a fake transport. Commands come in as JSON lines, answers go out so.

`overhead.py` starts it; it is not meant to be run by hand.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.metadata
import json
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import anthropic
import openai
import payloads
from contestants import START
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

CONCURRENT = 64
BETWEEN_FLUSHES = 100
QUIET_AFTER = 0.2
"""A process that has used no CPU for so many seconds has started."""


class NoSpans(SpanExporter):
    """Counts what it is given: that a contestant records anything at all is checked, not believed."""

    count = 0

    def export(self, spans: Any) -> SpanExportResult:
        self.count += len(spans)
        return SpanExportResult.SUCCESS


class NoMetrics(MetricExporter):
    def export(self, metrics_data: Any, timeout_millis: float = 0, **options: Any) -> MetricExportResult:
        return MetricExportResult.SUCCESS

    def shutdown(self, timeout_millis: float = 0, **options: Any) -> None:
        pass

    def force_flush(self, timeout_millis: float = 0) -> bool:
        return True


class Telemetry:
    """The same for every contestant: batches of spans, metrics every five seconds, exporters that drop everything."""

    def __init__(self) -> None:
        self.spans = NoSpans()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(BatchSpanProcessor(self.spans, max_queue_size=16384))
        self.meters = MeterProvider([PeriodicExportingMetricReader(NoMetrics(), export_interval_millis=5000)])
        trace.set_tracer_provider(self.tracers)
        metrics.set_meter_provider(self.meters)

    def flush(self) -> None:
        self.tracers.force_flush()
        self.meters.force_flush()


def start(contestant: str, telemetry: Telemetry) -> dict[str, Any]:
    """Import and start a contestant: how long the app waits for it, and what the process spends until it is quiet."""
    waited, spent, modules = time.perf_counter(), time.process_time(), len(sys.modules)
    START[contestant](telemetry.tracers, telemetry.meters)
    waited = time.perf_counter() - waited
    last, since = time.process_time(), time.perf_counter()
    while time.perf_counter() - since < QUIET_AFTER:
        time.sleep(0.02)
        if time.process_time() - last > 0.002:
            last, since = time.process_time(), time.perf_counter()
    return {
        "start_ms": waited * 1e3,
        "start_cpu_ms": (last - spent) * 1e3,
        "modules": len(sys.modules) - modules,
        "versions": {name: importlib.metadata.version(name) for name in ("openai", "anthropic", "opentelemetry-sdk")},
    }


def clients(sdk: Any) -> tuple[Any, Any]:
    """Two fake HTTP clients of the library that this SDK uses."""
    http = import_module(sdk.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0])
    provider = payloads.transport(http)
    return http.Client(transport=provider), http.AsyncClient(transport=provider)


def cases(telemetry: Telemetry) -> dict[str, tuple[Callable[[], Any], int]]:
    """The name of a case -> what to run, and how many calls that is."""
    http, async_http = clients(openai)
    chat = openai.OpenAI(api_key="none", http_client=http, max_retries=0).chat.completions
    achat = openai.AsyncOpenAI(api_key="none", http_client=async_http, max_retries=0).chat.completions
    claude = anthropic.Anthropic(api_key="none", http_client=clients(anthropic)[0], max_retries=0).messages
    plain, message, loop = payloads.chat_request(), payloads.message_request(), asyncio.new_event_loop()

    def stream(chunks: int) -> Callable[[], None]:
        request = payloads.chat_request(chunks)

        def read() -> None:
            for _ in chat.create(**request):
                pass

        return read

    async def many() -> None:
        await asyncio.gather(*(achat.create(**plain) for _ in range(CONCURRENT)))

    def all_threads() -> None:
        for _ in range(BETWEEN_FLUSHES):
            chat.create(**plain)
        telemetry.flush()

    return {
        "plain": (lambda: chat.create(**plain), 1),
        "stream_10": (stream(10), 1),
        "stream_100": (stream(100), 1),
        "async": (lambda: loop.run_until_complete(many()), CONCURRENT),
        "all_threads": (all_threads, BETWEEN_FLUSHES),
        "anthropic": (lambda: claude.create(**message), 1),
    }


def run(function: Callable[[], Any], calls: int, times: int, clock: str) -> dict[str, float]:
    """Microseconds of one call: the median over so many times.

    Of the calling thread's CPU time: nothing here waits for anybody, so that is how long a call takes on a machine that
    does nothing else, and it can be measured on one that does. `process` counts what other threads do as well.
    """
    now = {"thread": time.thread_time_ns, "process": time.process_time_ns, "wall": time.perf_counter_ns}[clock]
    taken = []
    for _ in range(times):
        before = now()
        function()
        taken.append(now() - before)
    return {"microseconds": sorted(taken)[len(taken) // 2] / calls / 1e3}


def grow(functions: list[Callable[[], Any]], calls: int, telemetry: Telemetry) -> dict[str, float]:
    """What the process has kept after so many calls, that it had not before, in blocks of Python's and in kilobytes."""

    def repeat(times: int) -> tuple[int, int]:
        for number in range(times):
            functions[number % len(functions)]()
        telemetry.flush()
        gc.collect()
        return sys.getallocatedblocks(), resident()

    blocks, kilobytes = repeat(max(100, calls // 10))
    more_blocks, more_kilobytes = repeat(calls)
    return {"calls": calls, "blocks": more_blocks - blocks, "kilobytes": more_kilobytes - kilobytes}


def resident() -> int:
    """Kilobytes of memory in use; zero where the system does not say so in `/proc`."""
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
    except OSError:
        return 0


def settle(telemetry: Telemetry) -> dict[str, int]:
    """Later garbage collections need not walk what the start and the warm-up have made."""
    telemetry.flush()
    gc.collect()
    gc.freeze()
    return {"spans": telemetry.spans.count}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not get between the answers
    telemetry = Telemetry()
    print(json.dumps(start(sys.argv[1], telemetry)), file=answers)
    known = cases(telemetry)
    for line in sys.stdin:
        command = json.loads(line)
        match command["do"]:
            case "run":
                answer: dict[str, Any] = run(*known[command["case"]], command["times"], command["clock"])
            case "grow":
                mix = [known[name][0] for name in ("plain", "anthropic", "plain", "stream_10")]
                answer = grow(mix, command["calls"], telemetry)
            case "settle":
                answer = settle(telemetry)
        print(json.dumps(answer), file=answers)
    os._exit(0)


if __name__ == "__main__":
    main()
