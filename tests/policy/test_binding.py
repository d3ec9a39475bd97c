"""Which limits bind a call, and under which key it is counted."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.model.charge import Charge
from tollkeeper.model.limit import Limit, Match, Per, Window
from tollkeeper.policy.binding import Binder

SECOND = 1_000_000_000
NOON = int(datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()) * SECOND
DAY = Window("day")

per = st.lists(st.sampled_from(("tenant", "user", "model", "provider")), unique=True).map(tuple)
texts = st.text(max_size=4)


def names(limits: list[Limit], model: str = "gpt-4o", **tags: str) -> list[str]:
    found = Binder(limits).of("openai", model, "chat", tags)
    return [binding.limit.name for binding in (*found.each, *found.counted)]


def test_a_limit_binds_what_it_matches_but_for_what_is_exempt() -> None:
    limits = [
        Limit("all", "requests", 1, DAY),
        Limit("small", "requests", 1, DAY, Match(model=("*-mini",))),
        Limit("acme", "requests", 1, DAY, Match(tags={"tenant": ("acme", "umbrella")})),
        Limit("paid", "requests", 1, DAY, exempt=(Match(provider=("ollama",)), Match(model=("gpt-4o",)))),
        Limit("large", "usd", 1),
    ]
    assert names(limits) == ["large", "all"]
    assert names(limits, "gpt-4o-mini", tenant="acme") == ["large", "all", "small", "acme", "paid"]


def test_who_has_no_name_is_counted_with_the_others_that_have_none() -> None:
    binder = Binder([Limit("each", "requests", 1, DAY, per=("user",))])
    (nobody,) = binder.of("openai", "gpt-4o", "chat", {}).counted
    (somebody,) = binder.of("openai", "gpt-4o", "chat", {"user": "u"}).counted
    assert (nobody.scope, somebody.scope) == ({"user": ""}, {"user": "u"})
    assert nobody.key != somebody.key


@given(per, st.lists(texts, min_size=4, max_size=4), st.lists(texts, min_size=4, max_size=4))
def test_a_key_is_the_same_for_the_same_scope_only(whose: tuple[Per, ...], first: list[str], second: list[str]) -> None:
    limit = Limit("each", "requests", 1, DAY, per=whose)

    def bound(values: list[str]) -> tuple[object, str]:
        tenant, user, model, provider = values
        (binding,) = Binder([limit]).of(provider, model, "chat", {"tenant": tenant, "user": user}).counted
        return binding.scope, binding.charge(1, NOON).key

    (one, key), (other, other_key) = bound(first), bound(second)
    assert (one == other) == (key == other_key)


def test_what_was_used_stays_when_a_limit_is_edited() -> None:
    def key(limit: Limit) -> str:
        (binding,) = Binder([limit]).of("openai", "gpt-4o", "chat", {}).counted
        return binding.charge(1, NOON).key

    before = Limit("daily", "usd", 10, DAY)
    assert key(before) == key(Limit("daily", "usd", 99, DAY, Match(provider=("openai",)), mode="soft", at=(70,)))
    assert key(before) != key(Limit("other", "usd", 10, DAY))


def test_each_period_is_counted_by_itself_and_begins_once() -> None:
    (binding,) = Binder([Limit("daily", "requests", 5, DAY)]).of("openai", "gpt-4o", "chat", {}).counted
    hour = 3600 * SECOND
    charges = [binding.charge(1, NOON + hours * hour) for hours in (0, 11, 12, 35, 36, 0)]
    assert [charge.until for charge in charges] == [NOON + 12 * hour] * 2 + [NOON + 36 * hour] * 2 + [
        NOON + 60 * hour, NOON + 12 * hour,
    ]  # fmt: skip
    keys = [charge.key for charge in charges]
    assert keys[0] == keys[1] == keys[5]
    assert len(set(keys)) == 3


def test_rolling_windows_are_buckets_and_what_has_no_window_is_slots() -> None:
    rolling = Limit("pace", "requests", 60, Window("minute", rolling=True, burst=5), mode="soft")
    slots = Limit("together", "concurrency", 3)
    first, second = Binder([rolling, slots]).of("openai", "gpt-4o", "chat", {}).counted
    assert first.charge(2, NOON) == Charge(first.key, 2, 60, False, "rate", 0, 60 * SECOND, 5)
    assert second.charge(1, NOON) == Charge(second.key, 1, 3, True, "slots")


def test_what_must_be_known_of_a_call_is_what_its_limits_count() -> None:
    def known(*limits: Limit) -> tuple[bool, bool, bool, int | None]:
        found = Binder(limits).of("openai", "gpt-4o", "chat", {})
        return found.counts_tokens, found.counts_usd, found.needs_output, found.most_output

    requests, soft = Limit("r", "requests", 1, DAY), Limit("s", "usd", 1, DAY, mode="soft")
    usd, refusing = Limit("u", "usd", 1, DAY, unbounded=100), Limit("f", "tokens", 1, DAY, unbounded="refuse")
    taken = Limit("i", "input_tokens", 1, DAY)
    assert known(requests) == (False, False, False, None)
    assert known(soft) == (True, True, False, None)
    assert known(taken) == (True, False, False, None)
    assert known(usd, Limit("o", "output_tokens", 1, DAY, unbounded=70)) == (True, True, True, 70)
    assert known(usd, refusing) == (True, True, True, None)
