"""A fault of ours, at every step in turn: the caller still gets the SDK's own answer, exception or chunks."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import Sampler

import tollkeeper
from capture.bench import Bench, Records, Way, outcome, simulate, ways
from capture.scenarios import SURFACES, dump
from tollkeeper.capture import faults

CHAT, _, ANTHROPIC, _, GOOGLE, OLLAMA, MISTRAL, COHERE, BEDROCK = SURFACES

STEPS = (
    "capture.attribution.current_tags",
    "capture.courier.Courier.run",
    "capture.sinks.callback.CallbackSink.record",
    "capture.emit.Emitter._count_once",
    "capture.emit.Emitter._price",
    "capture.emit.Emitter._record",
    "capture.emit.Emitter.enter",
    "capture.emit.Emitter.finish",
    "capture.emit.Emitter.start",
    "capture.sinks.log.LogSink.record",
    "capture.emit.request_attributes",
    "capture.emit.response_attributes",
    "capture.emit.set_span_in_context",
    "capture.errors.read_error",
    "capture.faults.log.log",
    "capture.observation.Observation._read_stream",
    "capture.observation.Observation.answered",
    "capture.sinks.otel_events.encode",
    "capture.sinks.otel_events.EventSink.record",
    "capture.sinks.otel_metrics.MetricsSink.record",
    "capture.payload.count",
    "capture.payload.field",
    "capture.payload.text",
    "capture.providers.anthropic.MessageFold.__call__",
    "capture.providers.anthropic.MessageFold.__init__",
    "capture.providers.anthropic.MessageFold.end",
    "capture.providers.openai.ChatFold.__call__",
    "capture.providers.openai.ChatFold.__init__",
    "capture.providers.openai.ChatFold.end",
    "capture.providers.openai.read_usage",
    "capture.raw.read_whole",
    "capture.stainless.call_tags",
    "capture.stainless.new_call_id",
    "capture.stainless.read_error",
    "capture.stainless.StainlessAdapter.endpoint",
    "capture.stainless.StainlessAdapter.read_error",
    "capture.stainless.StainlessAdapter.read_request",
    "capture.stainless.StainlessAdapter.receive",
    "capture.stainless.StainlessAdapter.refused",
    "capture.stainless.Tap",
    "capture.stainless.watch",
    "model.usage.Usage.billable",
    "pricing.catalog.Catalog.price",
)
"""Every step that a call goes through, as `tollkeeper.` and the dotted name of a function or class."""

HIDING = frozenset(
    (
        "capture.observation.Observation.answered",
        "capture.providers.openai.ChatFold.__call__",
        "capture.providers.openai.ChatFold.__init__",
        "capture.stainless.StainlessAdapter.receive",
        "capture.stainless.Tap",
    )
)
"""Without these nobody can hide the chunk that is there because we asked for the usage: here we do not ask."""

EVERYWHERE = (
    "capture.emit.Emitter.enter",
    "capture.emit.Emitter.finish",
    "capture.emit.Emitter.start",
    "capture.methods.call_tags",
    "capture.methods.MethodAdapter.read_error",
    "capture.methods.MethodAdapter.read_request",
    "capture.methods.MethodAdapter.receive",
    "capture.observation.Observation._read_stream",
    "capture.observation.Observation.answered",
)
OWN = {
    GOOGLE: ("GoogleGenAIAdapter.read_error", "GoogleGenAIAdapter.read_request", "GoogleGenAIAdapter.receive",
             "ChunksFold.__call__", "ChunksFold.__init__", "ChunksFold.end", "GeneratorTap",
             "address_of", "read_usage"),
    OLLAMA: ("StreamFold.__call__", "StreamFold.__init__", "StreamFold.end", "GeneratorTap", "count"),
    MISTRAL: ("ChatFold.__call__", "ChatFold.__init__", "ChatFold.end", "Tap", "watch"),
    COHERE: ("StreamFold.__call__", "StreamFold.__init__", "StreamFold.end", "GeneratorTap", "watch"),
    BEDROCK: ("BedrockAdapter.read_error", "BedrockAdapter.read_request", "BedrockAdapter.receive", "EventTap",
              "Closing", "ConverseFold.end", "MessagesFold.__call__", "read_converse"),
}  # fmt: skip
"""Steps of the SDKs whose methods are wrapped one by one: those that all have, and those in each one's own file."""


def other_steps() -> Iterator[Any]:
    for surface, own in OWN.items():
        for step in (*EVERYWHERE, *(f"capture.providers.{surface.package}.{name}" for name in own)):
            for param in ways(surface):
                yield pytest.param(*param.values, step, id=f"{param.id}-{step}")


class Fault(Exception):
    """A bug of ours."""


def fail(*args: Any, **kwargs: Any) -> Any:
    raise Fault("a bug of ours")


def place(step: str) -> tuple[Any, str]:
    """Where a dotted name is: the module or class, and the name in it."""
    parts = step.split(".")
    for size in range(len(parts) - 1, 0, -1):
        try:
            owner: Any = importlib.import_module(".".join(["tollkeeper", *parts[:size]]))
        except ModuleNotFoundError:
            continue
        for part in parts[size:-1]:
            owner = getattr(owner, part)
        return owner, parts[-1]
    raise LookupError(step)


async def plain(bench: Bench) -> Any:
    return dump(await bench.plain())


async def stream(bench: Bench) -> Any:
    opened = await bench.stream()
    return type(opened), dump(await bench.read(opened))


async def close_early(bench: Bench) -> Any:
    opened = await bench.stream()
    first = dump(await bench.next(bench.iterate(opened)))
    await bench.close(opened)
    return first


async def raw(bench: Bench) -> Any:
    resource = bench.surface.raw(bench.client).with_raw_response  # type: ignore[attr-defined]
    response = resource.create(**bench.surface.ask())  # type: ignore[attr-defined]
    return (await response if bench.is_async else response).http_response.content


ACTIONS = ((plain, ""), (stream, ""), (close_early, ""), (raw, ""), (plain, "status=429"), (stream, "status=0"),
           (stream, "output-tokens=99,drop=3"), (stream, "output-tokens=99,fail=3"))  # fmt: skip


async def run_all(way: Way) -> list[Any]:
    with simulate(way.surface) as simulator:
        actions = ((action, knobs) for action, knobs in ACTIONS if way.surface.has_raw or action is not raw)
        return [await outcome(action, Bench(way, simulator.url, knobs)) for action, knobs in actions]


bare: dict[Way, list[Any]] = {}


async def what_the_bare_sdk_gives(way: Way) -> list[Any]:
    if way not in bare:
        bare[way] = await run_all(way)
    return bare[way]


@pytest.fixture
def quiet() -> Iterator[None]:
    """Faults are expected here."""
    logging.getLogger("tollkeeper").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("tollkeeper").setLevel(logging.NOTSET)
    tollkeeper.uninstrument()


async def check(way: Way, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = await what_the_bare_sdk_gives(way)
    records = Records()
    with records.watching(way.surface.package, log_calls=True, inject_usage=step not in HIDING):
        way.surface.client("http://127.0.0.1:1", way.is_async)  # imports the SDK, and with it our file for it
        with monkeypatch.context() as patch:
            patch.setattr(*place(step), fail)
            assert await run_all(way) == expected
        records.flush()
        records.calls.clear()
        with simulate(way.surface) as simulator:
            await plain(Bench(way, simulator.url))
        records.flush()
        assert [call.status_code for call in records.calls] == [200]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("way", ways(CHAT, ANTHROPIC))
async def test_a_step_that_fails(way: Way, step: str, quiet: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the caller does, it comes out as with the bare SDK; once the step works again, so do the records."""
    await check(way, step, monkeypatch)


@pytest.mark.parametrize(("way", "step"), other_steps())
async def test_a_step_of_another_sdk_that_fails(
    way: Way, step: str, quiet: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is for the SDKs that have no one door."""
    await check(way, step, monkeypatch)


class FailingProcessor(SpanProcessor):
    on_start = on_end = staticmethod(fail)


class FailingSampler(Sampler):
    should_sample = staticmethod(fail)

    def get_description(self) -> str:
        return "fails"


def failing_spans() -> TracerProvider:
    provider = TracerProvider()
    provider.add_span_processor(FailingProcessor())
    return provider


@pytest.mark.parametrize("make", [failing_spans, lambda: TracerProvider(sampler=FailingSampler())])
@pytest.mark.parametrize("way", ways(CHAT, ANTHROPIC))
async def test_a_tracing_sdk_that_fails(way: Way, make: Any, quiet: None) -> None:
    """A span processor, or a sampler, of the app's may raise."""
    expected = await what_the_bare_sdk_gives(way)
    with Records().watching(way.surface.package, tracer_provider=make()):
        assert await run_all(way) == expected


@pytest.mark.parametrize("way", ways(CHAT, ANTHROPIC))
async def test_an_on_call_that_fails(way: Way, quiet: None) -> None:
    """The user's own callback may raise; that is counted, and nobody else's business."""
    expected = await what_the_bare_sdk_gives(way)
    before = faults.counts().get("run on_call", 0)
    records = Records()
    with records.watching(way.surface.package, on_call=fail):
        assert await run_all(way) == expected
        records.flush()
    assert faults.counts()["run on_call"] == before + len(ACTIONS)


@pytest.mark.parametrize("way", ways(CHAT, ANTHROPIC))
async def test_one_sink_that_fails(way: Way, quiet: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other records of a call are made all the same."""
    records = Records()
    with records.watching(way.surface.package), simulate(way.surface) as simulator:
        monkeypatch.setattr("tollkeeper.capture.sinks.otel_metrics.MetricsSink.record", fail)
        await plain(Bench(way, simulator.url))
        records.flush()
        assert len(records.calls) == len(records.ours()) == len(records.events.get_finished_logs()) == 1


async def test_a_metrics_sdk_that_is_shut_down(quiet: None) -> None:
    """The app may shut its providers down while calls go on."""
    way = Way(CHAT, is_async=False)
    expected = await what_the_bare_sdk_gives(way)
    records = Records()
    meters = MeterProvider([InMemoryMetricReader()])
    with records.watching("openai", meter_provider=meters):
        meters.shutdown()
        records.tracer_provider.shutdown()
        records.logger_provider.shutdown()
        assert await run_all(way) == expected
        records.flush()
        assert len(records.calls) == len(ACTIONS)
