"""Advice on drawn sums: a saving is never more than what is spent, and money scales with its currency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing.calls import TODAY, call
from tollkeeper.insight.advice.advisers import recommend
from tollkeeper.insight.advice.facts import Answers, Facts, Failed, Filled, Histogram, Repeated, Rhythm, Task, Use
from tollkeeper.insight.advice.families import smaller
from tollkeeper.insight.advice.money import a_month, days_of, saving_of, spread, usual
from tollkeeper.insight.advice.prices import PricesNow
from tollkeeper.insight.advice.prompt_caching import break_even
from tollkeeper.insight.advice.recommendation import Recommendation
from tollkeeper.insight.advice.tracking import Tally, Verdict, track
from tollkeeper.model import Meter, Usage
from tollkeeper.policy import Policy
from tollkeeper.policy.document import read_policy
from tollkeeper.pricing import Catalog
from tollkeeper.pricing.overlay import Overlay
from tollkeeper.pricing.rates import Price, Rates, rates_of
from tollkeeper.pricing.rows import Match, PriceRow
from tollkeeper.storage.backtest import backtest
from tollkeeper.storage.ledger import Kept

DAY = 86_400_000_000_000
MILLION = Decimal(1_000_000)


def catalog(times: int = 1) -> Catalog:
    """Two models of a family, and what a cache costs; all of it so many times as dear."""
    listed: dict[str, dict[Meter, str]] = {
        "gpt-9": {"input": "10", "output": "40", "cache_read": "1", "cache_write_5m": "12.5"},
        "gpt-9-mini": {"input": "1", "output": "4"},
    }
    rows = [
        PriceRow(Match("shop", model), {meter: Price(Decimal(usd) * times / MILLION) for meter, usd in prices.items()})
        for model, prices in listed.items()
    ]
    return Catalog(Overlay("tests", tuple(rows)))


TASKS = st.builds(
    lambda feature, asked: Task(feature, "shop", asked),
    st.sampled_from(("", "search", 'bad [name]*? "\n\\')),
    st.sampled_from(("gpt-9", "gpt-9-mini")),
)
COUNTS = st.integers(0, 10**9)


@st.composite
def uses(draw: st.DrawFn, task: Task) -> Use:
    calls = draw(st.integers(1, 10_000))
    taken, made = draw(COUNTS), draw(COUNTS)
    squares = [total * total / calls * draw(st.floats(1, 3)) for total in (taken, made)]
    return Use(
        task, task.asked, calls=calls, costed=calls, nano_usd=draw(st.integers(0, 10**13)), input_tokens=taken,
        output_tokens=made, cache_read_tokens=draw(st.integers(0, taken)), streamed=draw(st.sampled_from((0, calls))),
        input_squares=squares[0], output_squares=squares[1],
    )  # fmt: skip


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    tasks = draw(st.lists(TASKS, min_size=1, max_size=4, unique=True))
    found = tuple(draw(uses(task)) for task in tasks)
    histograms = {use.task: Histogram(((1024, 1), (8192, use.calls))) for use in found}
    repeats = draw(st.integers(0, 10**12))
    return Facts(
        30, Policy(), PricesNow(catalog(), TODAY), found,
        daily={task: tuple(draw(st.lists(st.integers(0, 10**12), min_size=30, max_size=30))) for task in tasks},
        rhythms={use.task: Rhythm(draw(st.integers(1, use.calls)), (use.calls, *[0] * 23)) for use in found},
        inputs=histograms,
        answers=tuple(Answers(use.task, 100_000, histograms[use.task]) for use in found),
        repeated=tuple(Repeated(task, 5, 50, 45, repeats, 40, repeats // 2) for task in tasks),
        failed=tuple(Failed(task, "Timeout", 50, 40, draw(st.integers(0, 10**12)), 0, 0) for task in tasks),
    )  # fmt: skip


def money(found: Sequence[Recommendation]) -> dict[str, list[int]]:
    return {one.id: [one.spend or 0, *(one.saving or ())] for one in found}


@given(facts())
@settings(max_examples=80)
def test_a_saving_is_never_more_than_what_is_spent(given: Facts) -> None:
    for one in recommend(given):
        assert one.saving is not None and one.spend is not None
        assert 0 <= one.saving.low <= one.saving.mid <= one.saving.high <= one.spend
        for way in one.ways:
            if way.means == "policy":
                policy = read_policy(way.text, "snippet.toml")
                tags = {"feature": one.scope["feature"]}
                asked = one.evidence["model"]
                assert policy.limits[0].binds("shop", asked, "chat", tags)
                assert not policy.limits[0].binds("shop", asked, "chat", {"feature": "another"})


@given(facts(), st.integers(2, 50))
@settings(max_examples=40)
def test_all_money_scales_with_the_currency(given: Facts, times: int) -> None:
    dearer = given._replace(
        prices=PricesNow(catalog(times), TODAY),
        uses=tuple(use._replace(nano_usd=use.nano_usd * times) for use in given.uses),
        daily={task: tuple(each * times for each in amounts) for task, amounts in given.daily.items()},
        repeated=tuple(
            each._replace(
                repeats_nano_usd=each.repeats_nano_usd * times,
                repeats_a_day_nano_usd=each.repeats_a_day_nano_usd * times,
            )
            for each in given.repeated
        ),
        failed=tuple(each._replace(nano_usd=each.nano_usd * times) for each in given.failed),
    )  # fmt: skip
    before, after = money(recommend(given)), money(recommend(dearer))
    # What is worth advising in dearer money only, is advised there besides.
    assert before.keys() <= after.keys()
    for id, amounts in before.items():
        for old, new in zip(amounts, after[id], strict=True):
            assert abs(new - old * times) <= 3 * times + 3


def test_the_policy_snippet_does_what_it_says() -> None:
    task = Task("search", "shop", "gpt-9")
    use = Use(task, "gpt-9", calls=100, costed=100, input_tokens=10_000_000, output_tokens=1_000_000)
    given = Facts(30, Policy(), PricesNow(catalog(), TODAY), (use,), daily={task: (10**9,) * 30})
    (one,) = recommend(given)
    policy = read_policy(one.ways[0].text, "snippet.toml")
    calls = [_call(number, feature) for number in range(10) for feature in ("search", "chat")]
    found = backtest(policy, calls, reprice=lambda one: 1 if one.request_model == "gpt-9-mini" else None)
    # All calls of the feature but the first of the month, and none of another one.
    assert (found.degraded, found.denied) == (9, 0)
    assert found.degraded_saved_nano_usd == 9 * 999
    # And it is no limit whose size would be wrong.
    filled = Filled(policy.limits[0], (100, 100, 100))
    assert not recommend(given._replace(uses=(), filled=(filled,)))
    hard = replace(policy.limits[0], mode="hard")
    assert [one.kind for one in recommend(given._replace(uses=(), filled=(Filled(hard, (100,) * 3),)))] == ["budget"]


def _call(number: int, feature: str) -> Kept:
    tags, at = {"feature": feature}, TODAY + number * 10**9
    one = call("shop", "gpt-9", Usage(1000, 100), tags=tags, started_at=at, duration=0.1)
    one.id = f"{feature}-{number}"
    return Kept(one, "tollkeeper", 1000, None, False)


@pytest.mark.parametrize(
    ("model", "next_one"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o-mini"), ("gpt-4.1-mini", "gpt-4.1-nano"),
        ("claude-opus-4-5", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5-20250929", "claude-haiku-4-5"), ("gemini-2.5-flash", "gemini-2.5-flash-lite"),
        ("openai/gpt-4o", "openai/gpt-4o-mini"), ("gpt-4o-mini", None), ("llama-3.3-70b", None), ("", None),
    ],
)  # fmt: skip
def test_the_next_smaller_model(model: str, next_one: str | None) -> None:
    assert next(smaller(model), None) == next_one


def test_what_a_month_comes_to() -> None:
    assert a_month(7, 7) == 30 and a_month(1, 60) == 0 and a_month(3, 60) == 2, "half to even"
    assert days_of((0, 0, 5, 0, 5)) == 3 and days_of((0, 0)) == 0
    assert spread((7,) * 30) == 0.0 and spread((0,) * 29 + (7,)) == 1.0
    assert (
        usual((0, 2, 1, 3, 90)) == (0, 2, 1, 3, Fraction(25, 2))
        and usual((0, 0)) == (0, 0)
        and usual((0, 7, 0)) == (0, 7, 0)
    )
    assert spread((7, 7, 7)) == 0.5, "three days have seen no weekend"
    # s = 1, mean 9: 1.2816 * sqrt(30 + 900 / 30) / (30 * 9), s with n - 1.
    daily = (8, 10) * 15
    assert spread(daily) == pytest.approx(1.2816 * (30 / 29 * 60) ** 0.5 / 270)
    assert saving_of(90, 100, 110, 105, 0.1) == (81, 100, 105)


@given(st.integers(0, 10**15), st.integers(1, 30))
def test_a_month_is_exact(amount: int, days: int) -> None:
    assert abs(a_month(amount, days) - Fraction(amount * 30, days)) <= Fraction(1, 2)


def test_the_break_even_of_a_cache() -> None:
    rates = catalog().rates(_call(1, "x").call)
    assert isinstance(rates, Rates)
    at = break_even(rates)
    assert at is not None and at.reads_a_write == pytest.approx(2.5 / 9)
    # A list that names no price of a cache gives no discount, so that nothing pays.
    plain = rates_of({"input": Price(Decimal(1))}, "", "", "overlay", "")
    found = break_even(plain)
    assert found is not None and found.reads_a_write is None


def tally(calls: int, nano_usd: int, difference: int, followed: int | None = None) -> Tally:
    one = Tally()
    for number in range(calls):
        wobble = 10 if number % 2 else -10
        one = one.with_(nano_usd + wobble, difference + wobble, number < (calls if followed is None else followed))
    return one


@pytest.mark.parametrize(
    ("before", "after", "kind", "days", "verdict"),
    [
        (tally(200, 1000, 0, 0), tally(200, 100, 900), "cheaper_model", 10, "saved"),
        (tally(200, 1000, 0, 0), tally(200, 100, 900), "cheaper_model", 1, "too_early"),
        (tally(200, 1000, 0, 0), tally(99, 100, 900), "cheaper_model", 10, "too_early"),
        (tally(200, 1000, 0, 0), tally(200, 1000, 0, 0), "cheaper_model", 10, "not_followed"),
        (tally(200, 1000, 100, 100), tally(200, 1000, 105, 105), "batch", 10, "not_followed"),
        # It looks cheaper call by call, and takes so many more tokens that it is not.
        (tally(200, 1000, 0, 0), tally(200, 1100, 900), "cheaper_model", 10, "unclear"),
        (tally(200, 1000, 0, 0), tally(200, 1000, 0), "flex", 10, "unclear"),
        (tally(200, 1000, 0, 0), tally(200, 1000, -50), "prompt_caching", 10, "costs_more"),
        (tally(200, 1000, -1000), tally(200, 900, -900), "max_tokens", 10, "saved"),
        (Tally(), Tally(), "budget", 10, "not_measured"),
    ],
)
def test_verdicts(before: Tally, after: Tally, kind: Any, days: int, verdict: Verdict) -> None:
    found = track(before, after, kind, days * DAY)
    assert found.verdict == verdict and found.says
    if verdict in ("saved", "costs_more", "unclear"):
        assert found.low is not None and found.saved is not None and found.high is not None
        assert found.low <= found.saved <= found.high
        assert found.saved == after.calls * (after.difference - before.difference) // 200
        assert found.without == after.nano_usd + found.saved
    else:
        assert (found.saved, found.low, found.high, found.without) == (None, None, None, None)
