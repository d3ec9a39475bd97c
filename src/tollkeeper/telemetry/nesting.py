"""Which of several observations of one call to keep, among those of one trace.

Two instrumentations that stand over each other see one call twice: as a parent and its child, side by side, or as a
span and an event. Whoever compares them, in whatever order they came, has to choose the same one: two sidecars that
disagree would each give up the other's choice. So what is compared is in the observations themselves. Our own record
comes first, an aggregate last; one that knows what was used before one that does not; a span before an event, which may
be of the span around and knows no more; and of those that are left, the one that began last: it is the innermost,
nearest to the provider.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

VERSION = re.compile(r"[-@:](v?\d|latest)")


class Sight(NamedTuple):
    """What is compared of one observation. Moments are nanoseconds; an event has no length. `""` is none."""

    id: str
    emitter: str
    span_id: str
    parent_span_id: str
    started_at: int
    ended_at: int
    request_model: str | None = None
    response_model: str | None = None
    response_id: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    failed: bool = False
    is_own: bool = False
    is_event: bool = False
    is_aggregate: bool = False

    @property
    def measured(self) -> bool:
        return self.input_tokens is not None or self.output_tokens is not None


def nested(sights: Sequence[Sight], parents: Mapping[str, str]) -> dict[str, str]:
    """The observations of one trace that are not to be counted: their ids, each with the id of one that is better.

    `parents` says of every span that is known, of calls and of anything else, which one is around it.
    """
    ranked = sorted({sight.id: sight for sight in sights}.values(), key=_rank)
    line = {sight.span_id: sight.parent_span_id for sight in ranked if sight.parent_span_id and not sight.is_event}
    family = _Family({**line, **parents})
    given_up: dict[str, str] = {}
    for at, one in enumerate(ranked):
        if one.is_own:
            continue
        for better in reversed(ranked[at + 1 :]):
            if _is_same(one, better, family):
                given_up[one.id] = better.id
                break
    kept = [sight for sight in ranked if sight.id not in given_up]
    for at, one in enumerate(kept):
        if one.is_own or one.is_event:
            continue
        below = [each for each in kept[at + 1 :] if family.has(one, each)]
        if below and (one.is_aggregate or _is_sum(one, below)):
            given_up[one.id] = below[-1].id
    return given_up


def _rank(sight: Sight) -> tuple[bool, bool, bool, bool, int, str]:
    return (sight.is_own, not sight.is_aggregate, sight.measured, not sight.is_event, sight.started_at, sight.id)


class _Family:
    """Who is around whom."""

    def __init__(self, parents: Mapping[str, str]) -> None:
        self._parents = parents
        self._ancestors: dict[str, frozenset[str]] = {}

    def has(self, elder: Sight, younger: Sight) -> bool:
        """Whether one span is somewhere around another one."""
        return bool(elder.span_id) and elder.span_id in self.ancestors(younger)

    def ancestors(self, sight: Sight) -> frozenset[str]:
        known = self._ancestors.get(sight.span_id)
        if known is None:
            known = self._ancestors[sight.span_id] = frozenset(self._climb(sight.span_id))
        return known

    def _climb(self, span_id: str) -> Iterable[str]:
        seen = {span_id}
        # A parent that is its own descendant is somebody's mistake, and no reason to climb for ever.
        while (span_id := self._parents.get(span_id, "")) and span_id not in seen:
            seen.add(span_id)
            yield span_id

    def parent(self, sight: Sight) -> str:
        return self._parents.get(sight.span_id, "")


def _is_same(one: Sight, other: Sight, family: _Family) -> bool:
    """Whether both are of the same call."""
    if one.response_id and one.response_id == other.response_id:
        return True
    # An emitter that names two answers means two; that two emitters name it differently means nothing.
    are_two = bool(one.response_id and other.response_id)
    if are_two and one.emitter == other.emitter:
        return False
    if one.span_id and one.span_id == other.span_id:
        return not are_two
    if family.has(one, other) or family.has(other, one):
        return _is_same_in_line(one, other)
    if one.emitter == other.emitter:
        return False
    side_by_side = family.parent(one) == family.parent(other) != ""
    # Of our own records only the span is known, and not what was around it.
    is_unplaced = (one.is_own and not family.parent(one)) or (other.is_own and not family.parent(other))
    if not (side_by_side or is_unplaced) or one.failed != other.failed:
        return False
    return _is_within(one, other) and _tokens(one) == _tokens(other) and _may_be_one_model(one, other)


def _is_same_in_line(one: Sight, other: Sight) -> bool:
    if one.failed != other.failed:
        # The outer call may have tried again, or may not have noticed.
        return not (one.measured or other.measured)
    if one.measured and other.measured:
        if _tokens(one) == _tokens(other):
            return True
        # Emitters count differently; one and the same would not.
        return one.emitter != other.emitter and _may_be_one_model(one, other)
    return _may_be_one_model(one, other)


def _tokens(sight: Sight) -> tuple[int | None, int | None]:
    return sight.input_tokens, sight.output_tokens


def _is_within(one: Sight, other: Sight) -> bool:
    first, second = sorted((one, other), key=lambda sight: (sight.started_at, -sight.ended_at))
    return first.started_at <= second.started_at and second.ended_at <= first.ended_at


def _may_be_one_model(one: Sight, other: Sight) -> bool:
    mine = {model for model in (one.request_model, one.response_model) if model}
    theirs = {model for model in (other.request_model, other.response_model) if model}
    if not mine or not theirs:
        return True
    return any(_is_model(a, b) or _is_model(b, a) for a in mine for b in theirs)


def _is_model(name: str, full: str) -> bool:
    """Whether a name is a model's, but for who serves it and its version: `gpt-4o` is `openai/gpt-4o-2024-08-06`, and
    not `gpt-4o-mini`."""
    bare = name.lower().rpartition("/")[2]
    before, found, after = full.lower().rpartition(bare) if bare else ("", "", "")
    return bool(found) and (not before or before[-1] in "./") and (not after or VERSION.match(after) is not None)


def _is_sum(one: Sight, below: Sequence[Sight]) -> bool:
    if len(below) < 2 or not one.measured or not all(each.measured or each.failed for each in below):
        return False
    inputs = sum(each.input_tokens or 0 for each in below)
    outputs = sum(each.output_tokens or 0 for each in below)
    return (one.input_tokens or 0, one.output_tokens or 0) == (inputs, outputs)
