"""What becomes of a finished call: priced, then a span, metrics, the usage event, a log line, the user's callback."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context

from tollkeeper.capture import faults
from tollkeeper.capture.content import ContentCapture, on_span
from tollkeeper.capture.contract import Adapter, Request
from tollkeeper.capture.courier import Courier
from tollkeeper.capture.denied import Denied
from tollkeeper.capture.identity import Seen, is_of_response
from tollkeeper.capture.observation import Observation
from tollkeeper.capture.prompt_digest import PromptDigest
from tollkeeper.capture.sinks.contract import Counting, Sink
from tollkeeper.capture.sinks.otel_events import EventSink
from tollkeeper.model import Call
from tollkeeper.model.usage import NOTHING
from tollkeeper.pricing import Catalog
from tollkeeper.telemetry.attributes import ERROR_TYPE, PROMPT_DIGEST, request_attributes, response_attributes
from tollkeeper.telemetry.metrics import DEGRADED_CALLS, DENIED_CALLS, LIMIT_LABEL

if TYPE_CHECKING:
    from tollkeeper.capture.gate import Gate
    from tollkeeper.capture.sinks.spool import SpoolSink
    from tollkeeper.storage.admission import Ticket

FETCHES = frozenset({"fetch_response", "batch"})
"""They only carry what other calls have used."""

OBSERVATION_KEY = otel_context.create_key("tollkeeper-observation")
"""Where the call in progress is found: an inner SDK call under it is part of it, and not counted again."""

NO_CONTEXT = Context()

DENIED = "denied"
"""`error.type` of a call that a limit had no room for."""

Content = dict[str, Any]


class Emitter:
    """Everything that one `instrument()` has set up for its calls."""

    def __init__(
        self,
        tracer: Tracer,
        catalog: Catalog,
        sinks: Sequence[Sink],
        events: EventSink | None,
        courier: Courier,
        content: ContentCapture | None,
        spool: SpoolSink | None = None,
        gate: Gate | None = None,
        digest: PromptDigest | None = None,
    ) -> None:
        self.tracer = tracer
        self.catalog = catalog
        self.sinks = tuple(sinks)
        self.counting: list[Counting] = [sink for sink in sinks if hasattr(sink, "count")]  # type: ignore[misc]
        self.events = events
        self.courier = courier
        self.content = content
        self.spool = spool
        self.gate = gate
        self.digest = digest
        self.seen = Seen()
        self.active = True

    def start(self, request: Request, adapter: Adapter, ticket: Ticket | None = None) -> Observation:
        """Start the span of a call. Samplers see what is known of the request."""
        call = request.call
        if self.digest is not None:
            self._hash(request, self.digest)
        span = self.tracer.start_span(
            _span_name(call),
            kind=SpanKind.CLIENT,
            attributes=request_attributes(call),
            start_time=call.started_at,
        )
        observation = Observation(request, adapter, self, span, ticket)
        if self.spool is not None and call.operation not in FETCHES:
            self._mark(observation, self.spool)
        if request.steps:
            self._count(call, request.steps)
        return observation

    def _hash(self, request: Request, digest: PromptDigest) -> None:
        try:
            if (found := digest.of(request.body)) is not None:
                request.call.parameters[PROMPT_DIGEST] = found
        except Exception as fault:  # noqa: BLE001  the boundary to foreign content
            faults.report("hash a prompt", fault)

    def moved(self, observation: Observation) -> None:
        """Have it seen that a call goes to another model than its span was started with."""
        call, span = observation.call, observation.span
        try:
            span.update_name(_span_name(call))
            span.set_attributes(request_attributes(call))
        except Exception as fault:  # noqa: BLE001  the boundary to the tracing SDK
            faults.report("record a fallback", fault)
        self._count(call, observation.request.steps[-1:])

    def _count(self, call: Call, steps: Sequence[str]) -> None:
        try:
            for sink in self.counting:
                sink.count(call, [(DEGRADED_CALLS, step, 1) for step in steps])
        except Exception as fault:  # noqa: BLE001  the boundary to the sinks
            faults.report("count the steps of a call", fault)

    def _mark(self, observation: Observation, spool: SpoolSink) -> None:
        """Have the call known before it is sent, should nothing more be heard of it."""
        try:
            observation.mark = spool.begin(observation.call)
        except Exception as fault:  # noqa: BLE001  the boundary to the disk
            faults.report("mark a call as begun", fault)

    def deny(self, request: Request, denied: Denied) -> None:
        """Have a call seen that was not sent: a span of no length, and a count."""
        try:
            call = request.call
            call.error_type = DENIED
            span = self.tracer.start_span(
                _span_name(call), kind=SpanKind.CLIENT, attributes=request_attributes(call), start_time=call.started_at
            )
            span.set_attributes({ERROR_TYPE: DENIED, LIMIT_LABEL: denied.limit.name})
            span.set_status(Status(StatusCode.ERROR, str(denied)))
            span.end()
            for sink in self.counting:
                sink.count(call, [(DENIED_CALLS, denied.limit.name, 1)])
        except Exception as fault:  # noqa: BLE001  the boundary to the tracing SDK and the sinks
            faults.report("record a denial", fault)

    def enter(self, observation: Observation) -> Any:
        """Make the call's span the current one, until `otel_context.detach` of what this returns."""
        return otel_context.attach(
            otel_context.set_value(OBSERVATION_KEY, observation, set_span_in_context(observation.span))
        )

    def finish(self, observation: Observation, error: BaseException | None) -> None:
        """Write a call that has ended to its span and to every sink."""
        call, span = observation.call, observation.span
        self._count_once(call)
        self._price(call)
        if self.gate is not None:
            if observation.ticket is not None:
                self.gate.settle(observation.ticket, call, error)
            elif call.operation in FETCHES and call.usage is not NOTHING:
                self.gate.settle_fetched(call)
            if self.gate.health is not None:
                self.gate.health.note(call)
        span_context = span.get_span_context()
        if span_context.is_valid:
            call.trace_id = f"{span_context.trace_id:032x}"
            call.span_id = f"{span_context.span_id:016x}"
        content = self._read_content(observation) if self.content is not None else None
        try:
            self._end_span(call, span, content)
        except Exception as fault:  # noqa: BLE001  the boundary to the tracing SDK and its processors
            faults.report("end a span", fault)
        if call.operation not in FETCHES or call.usage is not NOTHING:
            self._record(call, span, content)
        mark = observation.mark
        if mark is not None and mark[0] != call.id and self.spool is not None:
            self.spool.end(mark)
        for result in observation.request.further:
            self.record(result)

    def _count_once(self, call: Call) -> None:
        """A response that has been counted before, in whatever way it came, has used nothing now."""
        if is_of_response(call.id) and not self.seen.first(call.id):
            call.usage, call.usage_source = NOTHING, "unknown"
            call.billed_usage = call.provider_cost = None

    def record(self, call: Call) -> None:
        """Write a call that has no span of its own: a batch result, a turn of a realtime session."""
        self._count_once(call)
        if call.usage is not NOTHING:
            self._price(call)
            if self.gate is not None:
                self.gate.book(call)
            self._record(call, None, None)

    def _read_content(self, observation: Observation) -> Content | None:
        assert self.content is not None
        try:
            return self.content.attributes(observation)
        except Exception as fault:  # noqa: BLE001  the boundary to foreign content, and to the user's redact
            faults.report("capture content", fault)
            return None

    def _price(self, call: Call) -> None:
        try:
            call.cost, call.price_status = self.catalog.price(call)
        except Exception as fault:  # noqa: BLE001  the boundary to the price catalogue
            faults.report("price a call", fault)

    def _record(self, call: Call, span: Span | None, content: Content | None) -> None:
        context = set_span_in_context(span, NO_CONTEXT) if span is not None else None
        for sink in self.sinks:
            try:
                sink.record(call, context)
            except Exception as fault:  # noqa: BLE001  the boundary to each sink
                faults.report(f"record a call ({sink.name})", fault)

        if self.events is not None:
            try:
                self.events.record(call, context, content if self.content and self.content.on_events else None)
            except Exception as fault:  # noqa: BLE001  the boundary to the logging SDK
                faults.report("record a call (usage event)", fault)

    def _end_span(self, call: Call, span: Span, content: Content | None) -> None:
        if span.is_recording():
            attributes = response_attributes(call)
            if content and self.content is not None and self.content.on_spans:
                attributes.update(on_span(content))
            span.set_attributes(attributes)
            if call.error_type is not None:
                # Without the message: providers quote keys and prompts in it.
                span.set_status(Status(StatusCode.ERROR))
        span.end()


def _span_name(call: Call) -> str:
    return f"{call.operation} {call.request_model}" if call.request_model else call.operation
