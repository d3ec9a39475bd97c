"""Every way to ask, by every SDK: the caller gets what the bare SDK gives, and there is one true record of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry import trace

from capture.bench import Action, Bench, Records, Way, compare, simulate, ways
from capture.scenarios import SURFACES, Surface, dump, settle
from tollkeeper.model.usage import NOTHING


async def plain(bench: Bench) -> Any:
    return dump(await bench.plain())


async def stream(bench: Bench) -> Any:
    return dump(await bench.read(await bench.stream()))


async def tools(bench: Bench) -> Any:
    return dump(await bench.plain(**bench.surface.with_tools()))


async def stream_of_tools(bench: Bench) -> Any:
    return dump(await bench.read(await bench.stream(**bench.surface.with_tools())))


async def helper(bench: Bench) -> Any:
    return dump(await bench.surface.helper(bench.client, bench.is_async))


async def parse(bench: Bench) -> Any:
    return dump(await settle(bench.surface.parse(bench.client, bench.is_async)))


@dataclass(frozen=True)
class Scenario:
    act: Action
    is_stream: bool = False
    on: Callable[[Surface], bool] = lambda surface: True

    def params(self) -> list[Any]:
        found = list(ways(*(surface for surface in SURFACES if self.on(surface))))
        return [pytest.param(self, *param.values, id=f"{self.act.__name__}-{param.id}") for param in found]


ANSWERED = (
    Scenario(plain),
    Scenario(stream, is_stream=True),
    Scenario(tools, on=lambda surface: surface.has_tools),
    # Mistral's SDK takes no tool call without a name, which the simulator's later pieces of one do not have.
    Scenario(stream_of_tools, is_stream=True, on=lambda surface: surface.has_tools and surface.name != "mistralai"),
    Scenario(helper, is_stream=True, on=lambda surface: surface.has_helper),
    Scenario(parse, on=lambda surface: surface.has_parse),
)


@pytest.mark.parametrize(("scenario", "way"), [param for scenario in ANSWERED for param in scenario.params()])
async def test_an_answer(scenario: Scenario, way: Way, records: Records) -> None:
    """The answer is the bare SDK's; the record has the usage that the server handed out, and every other field."""
    surface = way.surface
    await compare(scenario.act, way, records)
    call = records.one()
    assert (call.provider, call.operation, call.request_model) == (surface.provider, surface.operation, surface.model)
    assert (call.status_code, call.error_type, call.abandoned) == (200, None, False)
    assert call.stream is scenario.is_stream
    assert (call.time_to_first_chunk is not None) is scenario.is_stream
    assert call.finish_reasons
    if surface.counts_streams or not scenario.is_stream:
        assert call.usage_source == "provider"
        assert (call.usage.input_tokens, call.usage.output_tokens) == surface.usage(scenario.is_stream)
    else:
        assert call.usage_source == "estimated"
        assert call.usage.input_tokens and call.usage.output_tokens


@pytest.mark.parametrize("way", ways())
async def test_the_types_are_the_sdks(way: Way, records: Records) -> None:
    """Answers and streams are of the very classes that the bare SDK gives."""

    async def types(bench: Bench) -> Any:
        answer, stream = await bench.plain(), await bench.stream()
        wanted = bench.surface.stream_type(bench.is_async)
        assert wanted is None or isinstance(stream, wanted)
        chunks = await bench.read(stream)
        return type(answer), getattr(type(stream), "__name__", ""), {type(chunk) for chunk in chunks}

    found = await compare(types, way, records)
    if way.surface.stream_type(way.is_async) is None:
        assert found[1] in ("generator", "async_generator", "EventStream", "EventStreamAsync")
    records.all(2)


@pytest.mark.parametrize("act", [plain, stream])
@pytest.mark.parametrize("status", [401, 429, 500])
@pytest.mark.parametrize("way", ways())
async def test_an_error_of_the_provider(way: Way, status: int, act: Action, records: Records) -> None:
    """The caller gets the SDK's own exception; the record has its status and type, and neither usage nor cost."""
    raised = await compare(act, way, records, f"status={status}")
    assert issubclass(raised[0], Exception)
    call = records.one()
    assert call.status_code == status
    assert call.error_type
    assert (call.usage, call.usage_source, call.cost) == (NOTHING, "unknown", None)
    assert records.points("tollkeeper.cost") == []


@pytest.mark.parametrize("act", [plain, stream])
@pytest.mark.parametrize("way", ways())
async def test_a_provider_that_hangs_up(way: Way, act: Action, records: Records) -> None:
    """A connection error of the SDK's; a record without a status, a usage or a cost."""
    raised = await compare(act, way, records, "status=0")
    assert issubclass(raised[0], Exception)
    call = records.one()
    assert (call.status_code, call.usage, call.cost) == (None, NOTHING, None)
    assert call.error_type


UNCOUNTED = [surface for surface in SURFACES if not surface.recordings and surface.name != "mistralai"]
"""Recorded answers have their usage, and Mistral's SDK takes no answer without one."""


@pytest.mark.parametrize("way", ways(*UNCOUNTED))
async def test_no_usage_in_the_answer(way: Way, records: Records) -> None:
    """What the provider does not count is unknown, and never zero."""
    await compare(plain, way, records, "usage=none")
    call = records.one()
    assert (call.usage, call.usage_source) == (NOTHING, "unknown")
    assert records.total("tollkeeper.unmeasured_calls", **{"tollkeeper.usage.source": "unknown"}) == 1


@pytest.mark.parametrize("way", ways(*UNCOUNTED))
async def test_no_usage_in_the_stream(way: Way, records: Records) -> None:
    """A stream that does not say its usage is marked: it is unknown, or estimated from the texts."""
    await compare(stream, way, records, "usage=none")
    call = records.one()
    assert call.usage_source in ("estimated", "unknown")
    assert (call.usage == NOTHING) is (call.usage_source == "unknown")
    assert records.total("tollkeeper.unmeasured_calls", **{"tollkeeper.usage.source": call.usage_source}) == 1


@pytest.mark.parametrize("act", [plain, stream])
@pytest.mark.parametrize("way", ways())
async def test_the_span_is_a_child_of_the_current_one(way: Way, act: Action, records: Records) -> None:
    """The span belongs to the app's trace, and the app's span is the current one again afterwards."""
    tracer = records.tracer_provider.get_tracer("app")
    with simulate(way.surface) as simulator, records.watching(way.surface.package):
        with tracer.start_as_current_span("outer") as outer:
            await act(Bench(way, simulator.url))
            assert trace.get_current_span() is outer
        call = records.one()
    span = records.span()
    assert span.parent is not None and span.parent.span_id == outer.get_span_context().span_id
    assert call.trace_id == f"{outer.get_span_context().trace_id:032x}"


@pytest.mark.parametrize("way", ways())
async def test_suppressed(way: Way, records: Records) -> None:
    """Under OpenTelemetry's own switch nothing is recorded."""
    from opentelemetry.instrumentation.utils import suppress_instrumentation  # noqa: PLC0415  only here

    async def quietly(bench: Bench) -> Any:
        with suppress_instrumentation():
            return await plain(bench), await stream(bench)

    await compare(quietly, way, records)
    records.flush()
    assert records.calls == [] and records.spans.get_finished_spans() == ()
