"""One SDK in front of one simulator, bare or watched, and everything that is recorded of its calls."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import tollkeeper
from capture.scenarios import COUNTED, SURFACES, Surface, read, settle
from conftest import need_shared
from tollkeeper import Call
from tollkeeper.model.usage import NOTHING
from tollkeeper.simulator import Simulator
from tollkeeper.telemetry.event import decode

NOON = 1_800_000_000.0


@dataclass(frozen=True)
class Way:
    """One surface, sync or async."""

    surface: Surface
    is_async: bool


def ways(*surfaces: Surface, only: str | None = None) -> Iterator[Any]:
    """One test parameter for each surface and flavour."""
    for surface in surfaces or SURFACES:
        for flavour in surface.flavours:
            if only in (None, flavour):
                yield pytest.param(Way(surface, flavour == "async"), id=f"{surface.name}-{flavour}")


@contextlib.contextmanager
def simulate(surface: Surface, **knobs: Any) -> Iterator[Simulator]:
    """A simulator that gives the same answers, to the byte, as any other one that is asked the same."""
    folders = [need_shared() / "recordings" / surface.package] if surface.recordings else []
    with Simulator(seed=1, recordings=folders, **knobs) as simulator:
        simulator.provider.world.clock = lambda: NOON
        yield simulator


@dataclass
class Records:
    """Where the records of all calls end up."""

    calls: list[Call] = field(default_factory=list)
    spans: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    metrics: InMemoryMetricReader = field(default_factory=InMemoryMetricReader)
    events: InMemoryLogRecordExporter = field(default_factory=InMemoryLogRecordExporter)
    handle: tollkeeper.Instrumentation | None = None

    def __post_init__(self) -> None:
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.spans))
        self.logger_provider = LoggerProvider()
        self.logger_provider.add_log_record_processor(SimpleLogRecordProcessor(self.events))

    @contextlib.contextmanager
    def watching(self, package: str, **options: Any) -> Iterator[tollkeeper.Instrumentation]:
        options = {
            "providers": [package],
            "on_call": self.calls.append,
            "tracer_provider": self.tracer_provider,
            "logger_provider": self.logger_provider,
            **options,
        }
        if "meter_provider" not in options:
            options["meter_provider"] = MeterProvider([self.metrics])
        with tollkeeper.instrument(**options) as self.handle:
            yield self.handle

    def flush(self) -> None:
        assert self.handle is not None and self.handle.flush()

    def all(self, count: int) -> list[Call]:
        """All calls: there are exactly so many, and each has one span, one event and one count."""
        self.flush()
        assert len(self.calls) == count
        spans = {span.context.span_id: span for span in self.ours()}
        events = [record.log_record for record in self.events.get_finished_logs()]
        assert [event.event_name for event in events] == ["gen_ai.client.inference.operation.details"] * count
        assert {decode(event.attributes).id for event in events} == {call.id for call in self.calls}
        assert len({call.id for call in self.calls}) == count
        assert len(spans) == count
        assert self.total("tollkeeper.calls") == count
        for call in self.calls:
            self._check(call, spans[int(call.span_id or "", 16)])
        self._check_totals()
        return self.calls

    def one(self) -> Call:
        return self.all(1)[0]

    def span(self) -> ReadableSpan:
        (span,) = self.ours()
        return span

    def ours(self) -> list[ReadableSpan]:
        return [span for span in self.spans.get_finished_spans() if span.name != "outer"]

    def total(self, name: str, **labels: str) -> float:
        """The sum over the series of a counter whose labels include these."""
        return sum(point.value for point in self.points(name) if labels.items() <= dict(point.attributes).items())

    def points(self, name: str) -> list[Any]:
        data = self.metrics.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data is not None else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def _check(self, call: Call, span: ReadableSpan) -> None:
        said = dict(span.attributes or {})
        assert span.kind is trace.SpanKind.CLIENT
        assert span.name == f"{call.operation} {call.request_model}"
        assert f"{span.context.trace_id:032x}" == call.trace_id
        assert span.status.is_ok is (call.error_type is None)
        for name, value in (
            ("gen_ai.operation.name", call.operation),
            ("gen_ai.provider.name", call.provider),
            ("gen_ai.request.model", call.request_model),
            ("gen_ai.response.model", call.response_model),
            ("gen_ai.usage.input_tokens", call.usage.input_tokens),
            ("gen_ai.usage.output_tokens", call.usage.output_tokens),
            ("error.type", call.error_type),
            ("gen_ai.response.time_to_first_chunk", call.time_to_first_chunk),
            ("server.address", "127.0.0.1"),
        ):
            assert said.get(name) == value, name
        assert call.duration is not None and call.duration > 0
        if call.time_to_first_chunk is not None:
            assert 0 < call.time_to_first_chunk <= call.duration
        if call.usage == NOTHING and call.price_status != "free":
            assert call.cost is None, "what used nothing that we know of has no cost"
        if call.usage_source == "provider":
            assert call.usage != NOTHING

    def _check_totals(self) -> None:
        """The counters add up to the calls."""
        used = [(call.usage.input_tokens or 0) + (call.usage.output_tokens or 0) for call in self.calls]
        assert self.total("tollkeeper.tokens") == sum(used)
        assert sum(point.count for point in self.points("gen_ai.client.operation.duration")) == len(self.calls)
        cost = sum(call.cost.nano_usd for call in self.calls if call.cost is not None)
        assert round(self.total("tollkeeper.cost") * 1_000_000_000) == cost


@dataclass
class Bench:
    """One client of one surface."""

    way: Way
    url: str
    knobs: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        knobs = ",".join(filter(None, (COUNTED, self.knobs)))
        self.surface, self.is_async = self.way.surface, self.way.is_async
        self.client = self.surface.client(self.url, self.is_async, knobs, **self.options)

    async def plain(self, **options: Any) -> Any:
        return await settle(self.surface.plain(self.client, self.is_async, **options))

    async def stream(self, **options: Any) -> Any:
        return await settle(self.surface.stream(self.client, self.is_async, **options))

    async def read(self, stream: Any) -> list[Any]:
        return await read(stream, self.is_async)

    def iterate(self, stream: Any) -> Any:
        return stream.__aiter__() if self.is_async else iter(stream)

    async def next(self, iterator: Any) -> Any:
        return await settle(iterator.__anext__() if self.is_async else next(iterator))

    async def close(self, stream: Any) -> None:
        close = getattr(stream, "aclose", None) or stream.close if self.is_async else stream.close
        await settle(close())


Action = Callable[[Bench], Awaitable[Any]]


async def outcome(action: Action, bench: Bench) -> Any:
    """What the action gives or raises, as something that can be compared."""
    try:
        return await action(bench)
    except Exception as error:  # noqa: BLE001  whatever it is, it must be the same with and without us
        return (
            type(error),
            str(error).replace(bench.url, "URL"),
            [type(each) for each in (error.__cause__, error.__context__)],
        )


async def compare(action: Action, way: Way, records: Records, knobs: str = "", **options: Any) -> Any:
    """Run an action bare and watched: the same must come of it. Returns what did."""
    with simulate(way.surface) as simulator:
        bare = await outcome(action, Bench(way, simulator.url, knobs))
    before = trace.get_current_span()
    with simulate(way.surface) as simulator, records.watching(way.surface.package, **options):
        watched = await outcome(action, Bench(way, simulator.url, knobs))
    assert trace.get_current_span() is before
    assert watched == bare
    return watched
