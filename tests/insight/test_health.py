"""How providers do, of sums that one can check by hand."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollkeeper.insight.health import Failed, Figures, Key, Tally, by, figures, together
from tollkeeper.insight.histogram import SECONDS


def test_figures_are_what_the_sums_say() -> None:
    tally = Tally(
        calls=100,
        failed=10,
        unmeasured=1,
        unpriced=2,
        costed=90,
        costed_answered=87,
        nano_usd=8_700_000,
        weighed_tokens=45_000,
        weighed_nano_usd=9_000_000,
        output_tokens=5_000,
        output_seconds=50.0,
        streamed_tokens=3_000,
        streamed_seconds=20.0,
        latencies={SECONDS.place(1.0): 89, SECONDS.place(8.0): 1},
        failures={Failed(429, "rate_limit_error"): 4, Failed(500, "api_error"): 2, Failed(400, "invalid_request"): 4},
    )
    found = figures(tally)
    assert (found.answered, found.success_rate, found.rate_limited_share) == (90, 90 / 96, 0.04)
    assert found.faults == {"429": 4, "5xx": 2, "caller": 4}
    assert [failed.error for failed, _ in found.errors] == ["invalid_request", "rate_limit_error", "api_error"]
    assert found.latency_p50 == pytest.approx(1.0, rel=1 / 32)
    assert found.latency_p99 == pytest.approx(8.0, rel=1 / 32)
    assert found.first_chunk_p50 is None
    assert (found.output_tokens_per_second, found.streamed_tokens_per_second) == (100.0, 150.0)
    assert (found.nano_usd_per_1k_tokens, found.nano_usd_per_answer) == (200_000, 100_000)


def test_what_nothing_is_known_of_is_not_zero() -> None:
    found = figures(Tally())
    unknown = {name for name, value in found._asdict().items() if value is None}
    assert unknown >= {
        "success_rate", "latency_p50", "first_chunk_p99", "output_tokens_per_second", "nano_usd",
        "nano_usd_per_1k_tokens", "nano_usd_per_answer",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("failed", "fault"),
    [
        (Failed(429, "RateLimitError"), "429"),
        (Failed(503, "x"), "5xx"),
        (Failed(200, "overloaded_error"), "5xx"),  # a stream that broke off
        (Failed(None, "APITimeoutError"), "timeout"),
        (Failed(None, "APIConnectionError"), "connection"),
        (Failed(401, "authentication_error"), "caller"),
        (Failed(None, "ValueError"), "caller"),
    ],
)
def test_whose_fault_it_was(failed: Failed, fault: str) -> None:
    assert failed.fault == fault


NUMBERS = st.integers(0, 1000)
COUNTS = st.dictionaries(st.integers(0, 700), st.integers(1, 50), max_size=5)
TALLIES = st.builds(
    Tally,
    calls=NUMBERS,
    failed=NUMBERS,
    nano_usd=NUMBERS,
    costed=NUMBERS,
    latencies=COUNTS,
    first_chunks=COUNTS,
    failures=st.dictionaries(st.builds(Failed, st.sampled_from((None, 429, 500)), st.just("e")), st.integers(1, 9)),
)
KEYS = st.builds(Key, st.sampled_from("ab"), st.sampled_from("xy"), st.sampled_from(("", "flex")))


@settings(max_examples=30)
@given(st.lists(st.dictionaries(KEYS, TALLIES, max_size=3), max_size=3))
def test_sums_add_up_in_any_way(parts: list[dict[Key, Tally]]) -> None:
    """Taking hours together and then models is taking models together and then hours; the parts are not changed."""
    before = [{key: dataclasses.asdict(tally) for key, tally in part.items()} for part in parts]
    assert by(together(parts), 1) == together([by(part, 1) for part in parts])
    assert by(by(together(parts), 2), 1) == by(together(parts), 1)
    assert sum(each.calls for each in by(together(parts), 1).values()) == sum(
        tally.calls for part in parts for tally in part.values()
    )
    assert [{key: dataclasses.asdict(tally) for key, tally in part.items()} for part in parts] == before


@given(TALLIES)
def test_shares_are_shares(tally: Tally) -> None:
    tally.failed = sum(tally.failures.values())
    tally.calls = tally.failed + 5
    found: Figures = figures(tally)
    assert found.success_rate is not None and 0 <= found.success_rate <= 1
    assert sum(found.faults.values()) == tally.failed
    quantiles = [found.latency_p50, found.latency_p95, found.latency_p99]
    assert quantiles == sorted(quantiles, key=lambda each: each or 0)
