"""Which observations of one call are kept. Times are small numbers here: only their order counts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.telemetry.nesting import Sight, nested


def sight(id: str, span: str = "", parent: str = "", at: tuple[int, int] = (0, 100), **more: Any) -> Sight:
    given: dict[str, Any] = {"emitter": "one", "request_model": "m", "input_tokens": 10, "output_tokens": 5}
    return Sight(
        id=id, span_id=span or id, parent_span_id=parent, started_at=at[0], ended_at=at[1], **{**given, **more}
    )


def unmeasured(id: str, **more: Any) -> Sight:
    return sight(id, input_tokens=None, output_tokens=None, **more)


OUTER = sight("outer", at=(0, 100))
INNER = sight("inner", parent="outer", at=(10, 90))
FAILED = {"failed": True, "input_tokens": None, "output_tokens": None}


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        (OUTER, INNER),
        (OUTER._replace(response_id="r"), INNER._replace(response_id="r", input_tokens=11)),
        (OUTER._replace(response_id="made-up"), INNER._replace(response_id="r", emitter="two")),
        (OUTER, INNER._replace(emitter="two", input_tokens=11)),
        (OUTER._replace(input_tokens=None, output_tokens=None), INNER),
        (OUTER._replace(request_model="alias"), INNER),
        (OUTER._replace(**FAILED), INNER._replace(**FAILED)),
    ],
    ids=[
        "same tokens",
        "same answer",
        "an id of its own",
        "counted otherwise",
        "not counted",
        "an alias",
        "both failed",
    ],
)
def test_the_inner_observation_is_kept(outer: Sight, inner: Sight) -> None:
    assert nested([outer, inner], {}) == nested([inner, outer], {}) == {"outer": "inner"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (OUTER, INNER._replace(input_tokens=11)),
        (OUTER._replace(response_id="r"), INNER._replace(response_id="s")),
        (OUTER, INNER._replace(emitter="two", input_tokens=11, request_model="another")),
        (OUTER, INNER._replace(**FAILED)),
        (sight("a", parent="p"), sight("b", parent="p", at=(10, 90))),
        (sight("a", parent="p"), sight("b", parent="q", at=(10, 90), emitter="two")),
        (sight("a", parent="p"), sight("b", parent="p", at=(10, 110), emitter="two")),
        (sight("a"), sight("b", at=(10, 90), emitter="two")),
        (sight("a", is_own=True), sight("b", is_own=True, parent="a")),
    ],
    ids=[
        "one emitter, other tokens", "one emitter, other answers", "another model inside", "a retry that failed inside",
        "one emitter, side by side", "elsewhere", "later", "nobody knows where", "both our own",
    ],
)  # fmt: skip
def test_two_calls_are_two_calls(one: Sight, other: Sight) -> None:
    assert nested([one, other], {}) == {}


def test_two_emitters_side_by_side_have_seen_one_call() -> None:
    one, other = sight("a", parent="p", response_id="r"), sight("b", parent="p", at=(10, 90), emitter="two")
    assert nested([one, other], {}) == {"a": "b"}


def test_what_is_between_two_calls_tells_that_one_is_in_the_other() -> None:
    inner = INNER._replace(parent_span_id="chain")
    assert nested([OUTER, inner], {}) == {}
    assert nested([OUTER, inner], {"chain": "tool", "tool": "outer"}) == {"outer": "inner"}


def test_parents_that_go_round_in_a_ring_end() -> None:
    assert nested([OUTER, INNER], {"inner": "x", "x": "y", "y": "x"}) == {}


def test_of_three_layers_the_innermost_is_kept() -> None:
    middle = sight("middle", parent="outer", at=(5, 95), emitter="two")
    inner = sight("inner", parent="middle", at=(10, 90), emitter="three")
    assert nested([OUTER, middle, inner], {}) == {"outer": "inner", "middle": "inner"}


def test_one_that_knows_what_was_used_is_kept_before_an_inner_one_that_does_not() -> None:
    assert nested([OUTER, unmeasured("inner", parent="outer", at=(10, 90))], {}) == {"inner": "outer"}


def test_a_retry_that_failed_and_the_one_that_did_not() -> None:
    failed = sight("failed", parent="outer", at=(10, 20), **FAILED)
    assert nested([OUTER, failed, INNER], {}) == {"outer": "inner"}


def test_a_sum_of_calls_is_no_call() -> None:
    first = sight("first", parent="outer", at=(10, 40))
    second = sight("second", parent="outer", at=(50, 90), input_tokens=20)
    whole = OUTER._replace(input_tokens=30, output_tokens=10)
    assert set(nested([whole, first, second], {})) == {"outer"}
    assert nested([whole._replace(input_tokens=31), first, second], {}) == {}
    assert set(nested([whole._replace(input_tokens=31, is_aggregate=True), first, second], {})) == {"outer"}
    assert nested([whole._replace(is_aggregate=True)], {}) == {}


def test_an_event_gives_way_to_its_span_even_where_it_names_the_span_around() -> None:
    span = sight("span", parent="case", at=(10, 90), response_id="r")
    event = sight("event", span="case", at=(90, 90), response_id="r", is_event=True)
    assert nested([span, event], {}) == {"event": "span"}
    another = event._replace(id="another", response_id="s")
    assert nested([span, event, another], {}) == {"event": "span"}


def test_ours_is_kept_whoever_else_has_seen_it() -> None:
    ours = unmeasured("ours", at=(20, 80), is_own=True, emitter="tollkeeper")
    around = unmeasured("around", at=(0, 100), emitter="two")
    inside = sight("inside", parent="ours", at=(30, 70), emitter="three")
    assert nested([ours, around, inside], {}) == {"around": "ours", "inside": "ours"}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("gpt-4o", "gpt-4o-2024-08-06", True), ("openai/gpt-4o", "gpt-4o", True), ("gpt-4o", "gpt-4o-mini", False),
     ("claude-sonnet-4-5", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", True), ("a", "claude", False),
     ("x/", "x/", False)],
)  # fmt: skip
def test_models_by_other_names(one: str, other: str, same: bool) -> None:
    outer = unmeasured("outer", request_model=one)
    inner = sight("inner", parent="outer", at=(10, 90), request_model=other, emitter="two")
    assert bool(nested([outer, inner], {})) is same


IDS = st.sampled_from("abcdef")
SIGHTS = st.lists(
    st.builds(
        Sight,
        id=IDS,
        emitter=st.sampled_from(["one", "two"]),
        span_id=IDS,
        parent_span_id=st.sampled_from(["", *"abcdef"]),
        started_at=st.integers(0, 3),
        ended_at=st.integers(3, 6),
        response_id=st.sampled_from([None, "r", "s"]),
        request_model=st.sampled_from([None, "m", "a/m", "m-1", "n", "/", ""]),
        input_tokens=st.sampled_from([None, 1, 2]),
        failed=st.booleans(),
        is_own=st.booleans(),
        is_event=st.booleans(),
        is_aggregate=st.booleans(),
    ),
    unique_by=lambda drawn: drawn.id,
)


@given(SIGHTS, st.randoms(use_true_random=False), st.data())
def test_whoever_knows_less_gives_up_nothing_that_others_would_keep_in_its_stead(
    sights: list[Sight], chance: Any, data: st.DataObject
) -> None:
    """Two that have seen different parts never give up each other's choice: some observation of every call is left."""
    known = nested(sights, {})
    some = data.draw(st.lists(st.sampled_from(sights), unique_by=lambda each: each.id)) if sights else []
    shuffled = list(sights)
    chance.shuffle(shuffled)
    assert nested(shuffled, {}) == known
    given_up = {**nested(some, {}), **known}
    assert not any(sight.is_own for sight in sights if sight.id in given_up)
    for id in given_up:
        trail = [id]
        while trail[-1] in given_up:
            trail.append(given_up[trail[-1]])
            assert len(trail) == len(set(trail)), "given up for each other"
