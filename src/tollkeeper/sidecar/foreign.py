"""What others have emitted, as entries of the ledger: each call once, however many of them have seen it.

Whatever is found is compared with what the ledger has of the same trace, so it does not matter which sidecar an
observation came to, nor in what order. What only two sidecars together know, because they wrote at the same moment, is
seen by `review`, some time later.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tollkeeper.model import Call
from tollkeeper.sidecar.reviews import Reviews
from tollkeeper.storage.ledger import OWN, Entry, Kept, Retraction, Traced
from tollkeeper.telemetry.dialects import MAY_GUESS, Observed, digest_of, read
from tollkeeper.telemetry.emission import Emission
from tollkeeper.telemetry.nesting import Sight, nested

TRACES = 20_000
"""Traces whose spans are remembered. Of one that is forgotten, only what the ledger has is known."""
SPANS = 2_000
"""Spans that are remembered of one trace."""
REVIEWS = (30.0, 600.0)
"""When what was recorded is compared again, in seconds after it was."""
FILLED = ("user", "session", "tenant", "project", "feature")
"""Tags that the observation kept takes over from those that are given up."""


class Traces(Protocol):
    """The part of the ledger that is needed here."""

    def find_in_trace(self, trace_ids: Sequence[str]) -> list[Traced]: ...

    def select_calls(self, start: int, end: int) -> Iterator[Kept]: ...


@dataclass(slots=True)
class _Trace:
    """What is remembered of a trace: who is around whom, and whether somebody's calls were in it."""

    parents: dict[str, str] = field(default_factory=dict)
    has_calls: bool = False


class Foreign:
    """Reads what others emit. `clock` tells seconds since the epoch. Used by one thread at a time."""

    def __init__(self, ledger: Traces, clock: Callable[[], float], traces: int = TRACES) -> None:
        self._ledger = ledger
        self._clock = clock
        self._room = traces
        self._traces: OrderedDict[str, _Trace] = OrderedDict()
        self._reviews = Reviews(REVIEWS, clock)

    def settle(self, emissions: Sequence[Emission], calls: Sequence[Call] = ()) -> tuple[list[Entry], list[Retraction]]:
        """The calls among them that are to be recorded, and the recorded ones that turn out to be the same calls.

        `calls` are our own of the same batch: what others saw of them is given up. Raises `LedgerUnavailable`.
        """
        found = [self._dated(observed) for emission in emissions if (observed := read(emission)) is not None]
        touched = self._remember(emissions)
        touched += [call.trace_id for call in calls if call.trace_id in self._traces]
        by_trace = _by_trace(found)
        for trace_id in by_trace:
            self._trace(trace_id).has_calls = True
        asked = [id for id in dict.fromkeys((*touched, *by_trace)) if id and self._trace(id).has_calls]
        recorded = self._recorded(asked)
        own: dict[str | None, list[Call]] = {}
        for call in calls if asked else ():
            own.setdefault(call.trace_id, []).append(call)
        entries = [_entry(observed) for observed in by_trace.pop("", {}).values()]
        retractions: list[Retraction] = []
        for trace_id in asked:
            fresh = by_trace.get(trace_id, {})
            more, gone = self._compare(trace_id, fresh, recorded.get(trace_id, []), own.get(trace_id, []))
            entries += more
            retractions += gone
            if more:
                self._reviews.add(trace_id)
        return entries, retractions

    def ids_of(self, emissions: Sequence[Emission]) -> set[str]:
        """The ids of the calls among them."""
        return {observed.call.id for emission in emissions if (observed := read(emission)) is not None}

    def review(self, retract: Callable[[Sequence[Retraction]], object]) -> bool:
        """Have retracted what turns out, by now, to be the same as another call, in some of the traces that are due.

        Returns whether there may be more of them. Whatever `retract` raises is passed on: they are due again later.
        """
        due = self._reviews.due()
        try:
            retractions: list[Retraction] = []
            for trace_id, sights in self._recorded(due).items():
                retractions += self._compare(trace_id, {}, sights, [])[1]
            if retractions:
                retract(retractions)
        except BaseException:
            self._reviews.put_off(due)
            raise
        self._reviews.done(due)
        return bool(due)

    def _compare(
        self, trace_id: str, fresh: Mapping[str, Observed], recorded: Sequence[Traced], own: Sequence[Call]
    ) -> tuple[list[Entry], list[Retraction]]:
        counted = [each for each in recorded if not each.retracted]
        sights = [
            *(_sight_of_call(call) for call in own),
            *(_sight_of_observed(observed) for observed in fresh.values()),
            *(_sight_of_traced(each) for each in counted),
        ]
        given_up = nested(sights, self._trace(trace_id).parents)
        entries = []
        for id, observed in fresh.items():
            if id not in given_up:
                losers = _losers(id, given_up)
                completed = self._completed(observed, losers, fresh, counted)
                entries.append(_entry(completed, _filling(losers, fresh)))
        retractions = [
            Retraction(each.id, each.attempt, f"the same call as {given_up[each.id]}")
            for each in counted
            if each.id in given_up
        ]
        return entries, sorted(retractions)

    def _completed(
        self, event: Observed, losers: Sequence[str], fresh: Mapping[str, Observed], counted: Sequence[Traced]
    ) -> Observed:
        """An event that is counted, as its span did not tell what was used: with what the span did tell."""
        if event.kind != "event":
            return event
        for id in losers:
            if id in fresh and fresh[id].kind == "span" and fresh[id].call.span_id == event.call.span_id:
                return _with_span(event, fresh[id].call, fresh[id].parent_span_id)
        for each in counted:
            if each.id in losers and each.duration is not None and each.span_id == event.call.span_id:
                # By its moment, which is how the ledger finds a call as a whole.
                for kept in self._ledger.select_calls(each.started_at, each.started_at + 1):
                    if kept.call.id == each.id:
                        return _with_span(event, kept.call, each.parent_span_id or "")
        return event

    def _dated(self, observed: Observed) -> Observed:
        """With the time of its arrival where it says none."""
        if observed.call.started_at > 0:
            return observed
        now = int(self._clock() * 1e9)
        return observed._replace(call=dataclasses.replace(observed.call, started_at=now), ended_at=now)

    def _recorded(self, trace_ids: Sequence[str]) -> dict[str, list[Traced]]:
        found: dict[str, list[Traced]] = {}
        for traced in self._ledger.find_in_trace(trace_ids) if trace_ids else ():
            found.setdefault(traced.trace_id, []).append(traced)
        return found

    def _remember(self, emissions: Iterable[Emission]) -> list[str | None]:
        """Keep who is around whom. Returns the traces of which something new is known."""
        touched: list[str | None] = []
        for emission in emissions:
            if emission.kind != "span" or not emission.trace_id:
                continue
            parents = self._trace(emission.trace_id).parents
            if emission.parent_span_id and len(parents) < SPANS and emission.span_id not in parents:
                parents[emission.span_id] = emission.parent_span_id
                touched.append(emission.trace_id)
        return touched

    def _trace(self, trace_id: str) -> _Trace:
        trace = self._traces.get(trace_id)
        if trace is None:
            trace = self._traces[trace_id] = _Trace()
            if len(self._traces) > self._room:
                self._traces.popitem(last=False)
        else:
            self._traces.move_to_end(trace_id)
        return trace


def _by_trace(found: Iterable[Observed]) -> dict[str, dict[str, Observed]]:
    """By trace and by id. Of the same call, what was said later fills in what is missing."""
    traces: dict[str, dict[str, Observed]] = {}
    for observed in found:
        calls = traces.setdefault(observed.call.trace_id or "", {})
        known = calls.get(observed.call.id)
        calls[observed.call.id] = observed if known is None else _merged(known, observed)
    return traces


def _merged(one: Observed, other: Observed) -> Observed:
    """A span and the event of it: the span knows when, and the one that knows what was used knows that."""
    span, event = (one, other) if one.kind == "span" else (other, one)
    if span.call.usage_source == "unknown" and event.call.usage_source != "unknown":
        return _with_span(event, span.call, span.parent_span_id)
    return span


def _with_span(event: Observed, span: Call, parent_span_id: str) -> Observed:
    """An event that knows what was used, with all that only its span knows."""
    told = event.call
    call = dataclasses.replace(
        span,
        id=told.id,
        usage=told.usage,
        usage_source=told.usage_source,
        response_model=span.response_model or told.response_model,
        response_id=span.response_id or told.response_id,
        error_type=span.error_type or told.error_type,
        parameters={**told.parameters, **span.parameters},
        tags={**told.tags, **span.tags},
        cost=None,
        price_status=None,
    )
    return event._replace(call=call, parent_span_id=parent_span_id)


def _entry(observed: Observed, tags: Mapping[str, str] | None = None) -> Entry:
    call = observed.call
    if tags:
        call = dataclasses.replace(call, tags={**tags, **call.tags})
    return Entry(call, digest_of(call), observed.emitter, observed.parent_span_id or None)


def _losers(id: str, given_up: Mapping[str, str]) -> list[str]:
    """All that are given up for a call in the end."""
    losers = []
    for loser in given_up:
        winner = loser
        while winner in given_up:
            winner = given_up[winner]
        if winner == id:
            losers.append(loser)
    return losers


def _filling(losers: Iterable[str], fresh: Mapping[str, Observed]) -> dict[str, str]:
    """On whose behalf a call was, as those say that are given up for it: often only the outermost knows."""
    tags: dict[str, str] = {}
    for loser in losers:
        if loser in fresh:
            known = fresh[loser].call.tags
            tags.update({name: known[name] for name in FILLED if name in known and name not in tags})
    return tags


def _sight_of_observed(observed: Observed) -> Sight:
    call = observed.call
    sight = _sight_of_call(call)._replace(
        emitter=observed.emitter,
        parent_span_id=observed.parent_span_id,
        ended_at=observed.ended_at,
        is_own=False,
        is_event=observed.kind == "event",
        is_aggregate=observed.is_aggregate,
    )
    return _sure(sight)


def _sure(sight: Sight) -> Sight:
    """Without counts that may be made up, which are recorded, but are no reason to choose them."""
    if sight.is_event and sight.emitter in MAY_GUESS:
        return sight._replace(input_tokens=None, output_tokens=None)
    return sight


def _sight_of_call(call: Call) -> Sight:
    return Sight(
        id=call.id,
        emitter=OWN,
        span_id=call.span_id or "",
        parent_span_id="",
        started_at=call.started_at,
        ended_at=call.started_at + int((call.duration or 0) * 1e9),
        request_model=call.request_model,
        response_model=call.response_model,
        response_id=call.response_id,
        input_tokens=call.usage.input_tokens,
        output_tokens=call.usage.output_tokens,
        failed=call.error_type is not None,
        is_own=True,
    )


def _sight_of_traced(traced: Traced) -> Sight:
    is_own = traced.emitter == OWN
    sight = Sight(
        id=traced.id,
        emitter=traced.emitter,
        span_id=traced.span_id or "",
        parent_span_id=traced.parent_span_id or "",
        started_at=traced.started_at,
        ended_at=traced.started_at + int((traced.duration or 0) * 1e9),
        request_model=traced.request_model,
        response_model=traced.response_model,
        response_id=traced.response_id,
        input_tokens=traced.input_tokens,
        output_tokens=traced.output_tokens,
        failed=traced.error_type is not None,
        is_own=is_own,
        # Of a foreign call, only an event does not say how long it took.
        is_event=traced.duration is None and not is_own,
    )
    return _sure(sight)
