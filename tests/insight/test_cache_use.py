"""Cache writes that were in vain: small cases by hand, and what must hold of all."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.insight.cache_use import LIFE, LONG_LIFE, MINUTE, MOST_OPEN, CacheCall, Judged, judge, nothing

LATER = 10 * LONG_LIFE
FEATURE = ("anthropic", "claude", "chat")


def call(minute: float, read: int = 0, written: int = 0, session: str = "", **fields: Any) -> CacheCall:
    price = {"paid": 125 * written, "plain": 100 * written} if written else {}
    return CacheCall(int(minute * MINUTE), FEATURE, session, read, written, **{**price, **fields})


def judged(*calls: CacheCall, now: int = LATER) -> Judged:
    return judge(calls, 0, LONG_LIFE, now)


def test_what_is_read_in_time_was_not_in_vain() -> None:
    found = judged(call(0, written=1000), call(4, read=1000))
    assert (found.use.writes, found.use.tokens, found.use.nano_usd) == (1, 1000, 125_000)
    assert found.least.tokens == found.most.tokens == 0


def test_what_is_read_too_late_was() -> None:
    found = judged(call(0, written=1000), call(5, read=1000))
    assert (found.least.writes, found.least.tokens, found.least.nano_usd, found.least.extra_nano_usd) == (
        1, 1000, 125_000, 25_000,
    )  # fmt: skip
    assert found.least == found.most


def test_reading_prolongs_a_life() -> None:
    """Read after four minutes, and in part: what lay behind that was read by nobody."""
    found = judged(call(0, written=1000), call(4, read=600), call(8, read=800))
    assert found.least.tokens == 200
    assert judged(call(0, written=1000), call(4), call(8, read=1000)).least.tokens == 1000


def test_a_longer_life_is_an_hour() -> None:
    assert judged(call(0, written=1000, lives_long=True), call(59, read=1000)).least.tokens == 0
    assert judged(call(0, written=1000, lives_long=True), call(60, read=1000)).least.tokens == 1000


def test_a_reader_must_read_further_than_the_cache_went_before() -> None:
    """The second call writes what comes after the first 1,000 tokens; another call reads just these."""
    found = judged(call(0, written=1000), call(1, read=1000, written=500), call(2, read=1000))
    assert found.least.tokens == 500
    assert judged(call(0, written=1000), call(1, read=1000, written=500), call(2, read=1200)).least.tokens == 300


def test_another_sessions_reader_may_or_may_not_have_read_it() -> None:
    found = judged(call(0, written=1000, session="a"), call(1, read=1000, session="b"))
    assert (found.least.tokens, found.most.tokens) == (0, 1000)


def test_a_write_that_lives_still_is_not_judged() -> None:
    found = judged(call(0, written=1000), now=LIFE - 1)
    assert (found.use.waiting, found.least.tokens) == (1, 0)
    assert judged(call(0, written=1000), now=LIFE).least.tokens == 1000


def test_only_the_writes_of_the_range_count_but_later_readers_do() -> None:
    calls = [call(-1, written=7), call(59, written=1000), call(61, written=5, read=1000)]
    found = judge(calls, 0, LONG_LIFE, LATER)
    assert (found.use.writes, found.use.tokens, found.least.tokens) == (1, 1000, 0)


def test_a_write_without_a_price_has_none() -> None:
    found = judged(call(0, written=10, paid=None, plain=None))
    assert (found.use.priced, found.least.tokens, found.least.nano_usd) == (0, 10, 0)


def test_too_many_at_once_are_told() -> None:
    found = judged(*(call(0, written=1) for _ in range(MOST_OPEN + 3)))
    assert (found.use.not_judged, found.least.writes) == (3, MOST_OPEN)


CALLS = st.lists(
    st.builds(
        call,
        st.floats(-10, 130),
        st.integers(0, 50).map(lambda each: each * 10),
        st.integers(0, 20),
        st.sampled_from("ab"),
        lives_long=st.booleans(),
    ),
    max_size=25,
)


@given(CALLS)
def test_the_least_is_not_more_than_the_most(calls: list[CacheCall]) -> None:
    found = judge(sorted(calls), 0, LONG_LIFE, LATER)
    assert 0 <= found.least.tokens <= found.most.tokens <= found.use.tokens
    assert found.least.nano_usd <= found.most.nano_usd <= found.use.nano_usd
    assert found.use.waiting == 0


@given(CALLS, st.integers(1, 59))
def test_what_is_judged_in_parts_adds_up(calls: list[CacheCall], minute: int) -> None:
    """Each part has an hour of what follows, as a life may be prolonged: here all of it."""
    ordered, middle = sorted(calls), minute * MINUTE
    parts = nothing()
    for start, end in ((0, middle), (middle, LONG_LIFE)):
        parts.add(judge(ordered, start, end, LATER))
    assert parts == judge(ordered, 0, LONG_LIFE, LATER)
