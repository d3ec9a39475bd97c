"""A policy against calls that were made: who would have been denied, told, made to wait, and what that saves."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tollkeeper.model import Call, Limit, Match, Usage, Window
from tollkeeper.model.ladder import Emergency, Ladder, Step
from tollkeeper.policy import Policy
from tollkeeper.storage.backtest import EXCEEDED, backtest, warm_up
from tollkeeper.storage.ledger import Kept

START = int(datetime(2026, 11, 20, tzinfo=UTC).timestamp()) * 10**9
SECOND = 10**9
HOUR = 3600 * SECOND
DAY_LONG = 24 * HOUR
CENT = 10_000_000
DAY = Window("day")


def call(number: int, at: int, nano_usd: int | None = CENT, tokens: int = 100, **fields: Any) -> Kept:
    given = {"provider": "openai", "operation": "chat", "request_model": "gpt-4o", "duration": 1.0, **fields}
    usage = Usage(input_tokens=tokens, output_tokens=0)
    made = Call(id=f"call {number}", started_at=START + at, usage=usage, usage_source="provider", **given)
    return Kept(made, "tollkeeper", nano_usd, None, unpriced=nano_usd is None)


def policy(*limits: Limit) -> Policy:
    return Policy("new", limits)


def test_a_budget_denies_what_is_beyond_it() -> None:
    found = backtest(policy(Limit("budget", "usd", 3 * CENT, DAY)), [call(n, n * 10 * SECOND) for n in range(5)])
    (outcome,) = found.outcomes
    assert (found.calls, found.denied, found.nano_usd, found.saved_nano_usd) == (5, 2, 5 * CENT, 2 * CENT)
    assert (outcome.calls, outcome.denied, outcome.tokens, dict(outcome.reasons)) == (5, 2, 200, {"used_up": 2})
    assert (outcome.first_denied_at, outcome.last_denied_at) == (START + 30 * SECOND, START + 40 * SECOND)
    assert {at: (told.times, told.first_at) for at, told in outcome.told.items()} == {
        50: (1, START + 11 * SECOND), 100: (1, START + 21 * SECOND),
    }  # fmt: skip


def test_what_is_denied_spends_nothing() -> None:
    calls = [call(1, 0, 2 * CENT), call(2, 10 * SECOND, 2 * CENT), call(3, 20 * SECOND, CENT)]
    found = backtest(policy(Limit("budget", "usd", 3 * CENT, DAY)), calls)
    assert (found.denied, found.saved_nano_usd) == (1, 2 * CENT), "the third has room, as the second spent nothing"


def test_each_scope_and_period_for_itself() -> None:
    limit = Limit("few", "requests", 1, DAY, per=("tenant",))
    calls = [
        call(1, 0, tags={"tenant": "a"}),
        call(2, HOUR, tags={"tenant": "b"}),
        call(3, 2 * HOUR, tags={"tenant": "a"}),
        call(4, 25 * HOUR, tags={"tenant": "a"}),
    ]
    found = backtest(policy(limit), calls)
    assert [(one.scope["tenant"], one.calls, one.denied) for one in found.outcomes] == [("a", 3, 1), ("b", 1, 0)]
    assert found.outcomes[0].told[100].times == 2, "once a period"


def test_calls_at_once() -> None:
    calls = [call(1, 0, duration=10.0), call(2, 5 * SECOND), call(3, 12 * SECOND)]
    found = backtest(policy(Limit("one", "concurrency", 1)), calls)
    assert (found.denied, found.outcomes[0].first_denied_at) == (1, START + 5 * SECOND)
    waiting = backtest(policy(Limit("one", "concurrency", 1, wait=30)), calls)
    assert (waiting.denied, waiting.delayed) == (0, 1)
    impatient = backtest(policy(Limit("one", "concurrency", 1, wait=3)), calls)
    assert (impatient.denied, impatient.delayed) == (1, 0)


def test_a_rate_lets_calls_wait() -> None:
    calls = [call(n, n) for n in range(4)]
    limit = Limit("pace", "requests", 60, Window("minute", rolling=True, burst=1), wait=2.5)
    found = backtest(policy(limit), calls)
    assert (found.denied, found.delayed) == (1, 2), "one goes at once, two within two seconds, one is too late"


def test_a_soft_limit_denies_nothing() -> None:
    found = backtest(policy(Limit("soft", "usd", CENT, DAY, mode="soft")), [call(n, n * 10 * SECOND) for n in range(3)])
    assert found.denied == 0
    assert set(found.outcomes[0].told) == {100, EXCEEDED}


def test_a_call_without_a_price() -> None:
    calls = [call(1, 0, None), call(2, SECOND, 0), call(3, SECOND, CENT, provider="ollama")]
    found = backtest(policy(Limit("budget", "usd", 0, DAY, exempt=(Match(("ollama",)),))), calls)
    assert (found.denied, found.unknown, found.saved_nano_usd) == (1, 1, 0)
    assert dict(found.outcomes[0].reasons) == {"unpriced": 1}


def test_the_cap_of_a_single_call() -> None:
    calls = [call(1, 0, 60 * CENT), call(2, SECOND, 40 * CENT)]
    found = backtest(policy(Limit("cap", "usd", 50 * CENT)), calls)
    assert (found.denied, dict(found.outcomes[0].reasons)) == (1, {"call_too_large": 1})


def test_what_was_used_before_the_start_counts_and_is_not_told() -> None:
    limit = Limit("few", "requests", 2, Window("month"))
    calls = [call(1, -48 * HOUR), call(2, -24 * HOUR), call(3, HOUR)]
    found = backtest(policy(limit), calls, START)
    assert (found.calls, found.denied) == (1, 1)
    assert not found.outcomes[0].told
    assert warm_up(policy(limit), START) == int(datetime(2026, 11, 1, tzinfo=UTC).timestamp()) * 10**9
    assert warm_up(policy(Limit("pace", "requests", 1, Window("hour", rolling=True))), START) == START - HOUR
    assert warm_up(policy(), START) == START


def test_a_model_that_only_the_answer_names() -> None:
    calls = [call(1, 0, request_model=None, response_model="gpt-4o-mini")]
    found = backtest(policy(Limit("none", "requests", 0, DAY, Match(model=("gpt-4o*",)))), calls)
    assert found.denied == 1


def test_no_limits_and_no_calls() -> None:
    assert backtest(policy(), [call(1, 0)]).calls == 1
    assert backtest(policy(Limit("few", "requests", 0, DAY)), []).outcomes == ()


@settings(max_examples=60)
@given(
    cap=st.integers(0, 50),
    used=st.lists(st.tuples(st.integers(0, 3 * 86_400), st.integers(0, 20), st.floats(0, 5_000)), max_size=40),
)
def test_no_day_has_more_than_the_cap(cap: int, used: list[tuple[int, int, float]]) -> None:
    calls = [call(n, at * SECOND, cost, duration=length) for n, (at, cost, length) in enumerate(sorted(used))]
    found = backtest(policy(Limit("budget", "usd", cap, DAY)), calls)
    total = sum(cost for _, cost, _ in used)
    assert found.nano_usd == total
    assert found.saved_nano_usd >= total - 4 * cap, "four days can have begun"
    assert found.calls == len(used) and 0 <= found.denied <= len(used)
    by_day: dict[int, int] = {}
    for at, cost, _ in used:
        by_day[at // 86_400] = by_day.get(at // 86_400, 0) + cost
    if all(cost <= cap for cost in by_day.values()):
        assert found.denied == 0


def test_a_ladder_changes_calls_as_its_limit_fills() -> None:
    ladder = Ladder(
        "budget", (Step(40, "cheaper", models={"gpt-4o": "mini"}), Step(80, "shed", priorities=("low",))), hysteresis=5
    )
    changing = Policy("new", (Limit("budget", "usd", 10 * CENT, DAY),), ladders=(ladder,))
    tags = {"priority": "low"}
    calls = [call(n, n * 10 * SECOND, 2 * CENT, tags=tags) for n in range(9)]
    found = backtest(changing, calls, reprice=lambda made: CENT if made.request_model == "mini" else None)
    (outcome,) = found.outcomes
    assert (found.degraded, found.degraded_saved_nano_usd) == (4, 4 * CENT), "after two as asked for, until 80 %"
    assert (outcome.degraded, outcome.reasons) == ({"cheaper": 4}, {"shed": 3})
    assert (found.denied, found.saved_nano_usd, found.nano_usd) == (3, 6 * CENT, 18 * CENT)
    assert found.emergency_at is None


def test_an_emergency_begins_and_stays() -> None:
    ladder = Ladder("budget", (Step(50, "emergency"),))
    emergency = Emergency(tokens=10, shed=("low",))
    changing = Policy("new", (Limit("budget", "usd", 4 * CENT, DAY),), ladders=(ladder,), emergency=emergency)
    made = [call(n, n * 10 * SECOND) for n in range(3)]
    made += [call(3, DAY_LONG), call(4, DAY_LONG + HOUR, tags={"priority": "low"})]
    found = backtest(changing, made, reprice=lambda made: CENT // 2)
    assert found.emergency_at == START + 20 * SECOND, "when the third call asked"
    assert (found.degraded, found.denied) == (2, 1)


def test_what_a_changed_call_would_have_cost_may_be_unknown() -> None:
    ladder = Ladder("few", (Step(50, "cheaper", models={"gpt-4o": "mini"}),))
    found = backtest(
        Policy("new", (Limit("few", "requests", 2, DAY),), ladders=(ladder,)), [call(1, 0), call(2, 10 * SECOND)]
    )
    assert (found.degraded, found.degraded_saved_nano_usd) == (1, 0)
