"""Advice of ledgers so small that its money can be worked out by hand, on real databases."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sidecar.insight.advised import DAY, MIDNIGHT, Office, office
from tollkeeper.insight.advice.recommendation import Recommendation, recommendation_of
from tollkeeper.model import Usage
from tollkeeper.policy.document import read_policy
from tollkeeper.storage.audit import AuditQuery, AuditTrail

USD = 1_000_000_000


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Office]:
    yield from _opened(f"sqlite:///{tmp_path / 'ledger.db'}")


@pytest.fixture
def anywhere(database_url: str) -> Iterator[Office]:
    yield from _opened(database_url)


def _opened(url: str) -> Iterator[Office]:
    made = office(url)
    yield made
    made.book.close()
    made.limiting.close()
    made.database.close()


def advised(place: Office, *kinds: str) -> list[Recommendation]:
    place.run()
    found = [kept.recommendation for kept in place.advice.recommendations.all(("open",))]
    for one in found:
        check(one)
    return [one for one in found if not kinds or one.kind in kinds]


def check(one: Recommendation) -> None:
    """What holds of each."""
    assert recommendation_of(json.loads(json.dumps(one.document()))) == one
    assert one.rests_on and one.ways and one.risks and one.title
    if one.saving is not None:
        assert one.spend is not None
        assert 0 <= one.saving.low <= one.saving.mid <= one.saving.high <= one.spend
    for way in one.ways:
        if way.means == "policy":
            assert read_policy(way.text, "snippet.toml").limits
        elif way.means == "code":
            ast.parse(way.text)
        else:
            assert way.text.startswith("tollkeeper ")


def test_a_cheaper_model_by_hand(anywhere: Office) -> None:
    # 100,000 in and 10,000 out: $0.25 + $0.10, by gpt-4o-mini $0.015 + $0.006. Two a day for thirty days.
    anywhere.record(30, 2)
    (one,) = advised(anywhere, "cheaper_model")
    assert one.subject == "openai gpt-4o → openai gpt-4o-mini"
    assert one.spend == 21 * USD and one.saving is not None
    # All days cost the same, so that only the tokens make the range: a quarter more or fewer of $1.26.
    assert one.saving == (19_425_000_000, 19_740_000_000, 20_055_000_000)
    assert (one.confidence, one.evidence["calls"]) == ("low", 60)
    assert advised(anywhere, "cheaper_model") == [one]


def test_a_class_of_the_policy_and_measured_tokens(place: Office) -> None:
    place.set_policy('[quality]\ngood = ["gpt-4o", "gpt-4.1-mini"]')
    place.record(30, 2, response_model="gpt-4o-2024-08-06")
    # It takes half as many tokens for the same, by 60 calls: at $0.40 and $1.60.
    place.record(30, 2, "gpt-4.1-mini", usage=Usage(input_tokens=50_000, output_tokens=5_000), hour=12)
    one = next(one for one in advised(place, "cheaper_model") if "gpt-4o →" in one.subject)
    # (0.04 + 0.016) * 60 / 2 = $1.68 in place of $21.
    assert one.saving == (19_320_000_000,) * 3
    assert one.evidence["token_factor"] == 0.5 and one.confidence == "high"
    ladder = read_policy(one.ways[0].text, "snippet.toml").ladders[0]
    assert ladder.steps[0].models == {"gpt-4o": "gpt-4.1-mini"}


def test_tokens_of_other_work_are_no_measure(place: Office) -> None:
    place.record(30, 2)
    place.record(30, 2, "gpt-4o-mini", usage=Usage(input_tokens=40_000, output_tokens=4_000), hour=12)
    (one,) = advised(place, "cheaper_model")
    assert one.evidence["token_factor"] is None and "nobody has measured" in one.rests_on[1]
    assert one.saving == (19_425_000_000, 19_740_000_000, 20_055_000_000)


def test_a_night_that_went_wrong_is_not_what_a_month_costs(place: Office) -> None:
    place.record(30, 2)
    place.record(1, 30, start=MIDNIGHT - 10 * DAY, hour=12, apart=60_000_000_000)
    (one,) = advised(place, "cheaper_model")
    # 29 days of $0.70, and one of $11.20 that counts as five of them.
    assert one.spend == 34 * 700_000_000 and "not usual" in one.rests_on[0]


def test_prices_that_rise_with_the_input(place: Office) -> None:
    gemini = {"provider": "gcp.gemini"}
    place.record(30, 1, "gemini-2.5-pro", usage=Usage(input_tokens=300_000, output_tokens=10_000), **gemini)
    place.record(30, 1, "gemini-2.5-pro", usage=Usage(input_tokens=100_000, output_tokens=10_000), hour=12, **gemini)
    (one,) = advised(place, "cheaper_model")
    # Above 200,000: 0.3 * $2.50 + 0.01 * $15; below: 0.1 * $1.25 + 0.01 * $10. Flash: $0.30 and $2.50.
    assert one.spend == 30 * (900_000_000 + 225_000_000)
    assert one.saving is not None and one.spend - one.saving.mid == 30 * (115_000_000 + 55_000_000)


def test_batch_and_flex_for_a_nightly_job(anywhere: Office) -> None:
    anywhere.record(30, 4, tags={"feature": "report"}, hour=1)
    found = {one.kind: one for one in advised(anywhere)}
    batch, flex = found["batch"], found["flex"]
    assert batch.saving is not None and batch.saving == (21 * USD,) * 3 and batch.spend == 42 * USD
    assert flex.saving == batch.saving and batch.confidence == "medium"
    assert batch.evidence["at_night_percent"] == 100.0
    cheaper = found["cheaper_model"]
    assert cheaper.alternative_to is None and batch.alternative_to == flex.alternative_to == cheaper.id


def test_what_was_dismissed_stands_in_the_way_of_nothing(place: Office) -> None:
    place.record(30, 4, tags={"feature": "report"}, hour=1)
    found = {one.kind: one for one in advised(place)}
    place.advice.recommendations.dismiss(found["cheaper_model"].id, author="ada", reason="too bad for reports")
    place.run()
    left = {one.recommendation.kind: one.recommendation for one in place.advice.recommendations.all(("open",))}
    best, other = sorted((left["batch"], left["flex"]), key=lambda one: one.alternative_to is not None)
    assert best.alternative_to is None and other.alternative_to == best.id


def test_nobody_is_sent_to_the_batch_who_is_waited_for(place: Office) -> None:
    place.record(30, 4, hour=1)
    place.record(30, 4, tags={"feature": "chat"}, stream=True, hour=1)
    place.record(30, 4, tags={"feature": "done"}, service_tier="flex", hour=1)
    assert not advised(place, "batch", "flex")


def test_prompt_caching_breaks_even(place: Office) -> None:
    claude = {"provider": "anthropic", "tags": {"feature": "support", "session": "s"}}
    minute = 60_000_000_000
    usage = Usage(input_tokens=9_000, output_tokens=100)
    place.record(30, 60, "claude-sonnet-4-5", usage=usage, apart=minute, **claude)
    place.record(30, 60, "claude-opus-4-5", usage=usage, apart=10 * minute, hour=0, **claude)
    longer, one = sorted(advised(place, "prompt_caching"), key=lambda found: str(found.evidence["model"]))
    assert one.evidence["model"] == "claude-sonnet-4-5" and one.evidence["cache_lives_minutes"] == 5
    # Every ten minutes is too seldom for five minutes. $5 a million, read at $0.50, written for an hour at $10.
    assert longer.evidence["model"] == "claude-opus-4-5" and longer.evidence["cache_lives_minutes"] == 60
    assert longer.evidence["writes"] == 10 * 30 and longer.evidence["break_even_reads_a_write"] == round(5 / 4.5, 3)
    saved = longer.evidence["common_input_tokens"] * (1500 * 4500 - 300 * 5000)
    assert longer.saving is not None and longer.saving == (0, saved // 2, saved)
    assert '"cache_control": {"type": "ephemeral", "ttl": "1h"}' in longer.ways[0].text
    # $3 a million, read at $0.30, written at $3.75: a write is paid for by 0.75 / 2.70 reads.
    assert one.evidence["break_even_reads_a_write"] == round(0.75 / 2.70, 3)
    begins, writes = one.evidence["common_input_tokens"], 12 * 30
    assert 8_000 <= begins <= 9_000 and one.evidence["writes"] == writes
    most = begins * ((1800 - writes) * 2700 - writes * 750)
    assert one.saving is not None and one.saving == (0, most // 2, most) and one.confidence == "low"


def test_max_tokens_that_nothing_comes_near(anywhere: Office) -> None:
    asked = {"gen_ai.request.max_tokens": 16_384}
    anywhere.record(30, 10, usage=Usage(input_tokens=10, output_tokens=200), parameters=asked)
    (one,) = advised(anywhere, "max_tokens")
    # 200 is in the bucket up to 204; half as much again, in steps of 64.
    assert one.evidence["p99_output_tokens"] == 204 and one.evidence["proposed_max_tokens"] == 320
    assert one.saving == (0, 0, 0), "what is not made costs nothing"
    assert read_policy(one.ways[1].text, "snippet.toml").ladders[0].steps[0].tokens == 320


def test_prompts_that_come_again(anywhere: Office) -> None:
    anywhere.record(30, 2, parameters={"tollkeeper.prompt.digest": "6f1e"})
    anywhere.record(1, 1, parameters={"tollkeeper.prompt.digest": "77aa"}, hour=20)
    (one,) = advised(anywhere, "duplicate_prompts")
    assert (one.evidence["repeated_prompts"], one.evidence["repeats"], one.evidence["repeats_within_a_day"]) == (
        1,
        59,
        30,
    )
    assert one.saving is not None
    assert one.saving.low < one.saving.mid == 30 * 350_000_000
    assert one.saving.high >= 59 * 350_000_000


def test_what_was_paid_for_and_thrown_away(anywhere: Office) -> None:
    anywhere.record(30, 2, error_type="ReadTimeout")
    anywhere.record(30, 1, abandoned=True, hour=14)
    nothing: dict[str, Any] = {"usage": Usage(), "usage_source": "unknown", "error_type": "RateLimitError"}
    anywhere.record(30, 1, hour=16, **nothing)
    (one,) = advised(anywhere, "failed_calls")
    assert one.evidence["cost_nano_usd"] == 90 * 350_000_000 and one.evidence["calls_of_unknown_cost"] == 30
    assert one.saving == (0, 45 * 350_000_000, 90 * 350_000_000)


def test_prices_that_are_missing_or_not_what_is_charged(place: Office) -> None:
    place.record(30, 1, "gpt-4o-min")
    place.record(30, 1, "openai/gpt-4o", provider="openrouter", provider_cost=Decimal("0.7"))
    missing, differs = sorted(advised(place, "price_missing", "price_differs"), key=lambda one: one.kind, reverse=True)
    assert missing.evidence["near"] == "gpt-4o-mini" and "is=gpt-4o-mini" in missing.ways[0].text
    assert differs.evidence["difference_nano_usd"] == 30 * 350_000_000 and "+100.0%" in differs.title
    assert missing.saving is None and differs.saving is None


def test_limits_that_are_far_too_high_or_always_full(place: Office) -> None:
    place.set_policy(
        '[[limit]]\nname = "far"\nlimit = "$50 / day"\n\n[[limit]]\nname = "full"\nlimit = "$0.5 / day per feature"\n'
    )
    place.record(30, 2)
    found = {one.scope["limit"]: one for one in advised(place, "budget")}
    (far,) = read_policy(found["far"].ways[0].text, "snippet.toml").limits
    # Twice $0.70, to two digits; and a quarter more than that.
    assert far.amount == 1_400_000_000 and found["far"].evidence["highest_use"] == 700_000_000
    (full,) = read_policy(found["full"].ways[0].text, "snippet.toml").limits
    assert full.amount == 880_000_000 and full.per == ("feature",)


def test_too_little_to_say_anything(place: Office) -> None:
    assert place.run()["recommendations"] == 0
    place.record(2, 40)
    # All on one day, twenty days ago.
    place.record(1, 60, start=MIDNIGHT - 20 * DAY, apart=60_000_000_000, tags={"feature": "once"})
    place.record(30, 2, tags={"feature": "cheap"}, usage=Usage(input_tokens=1000, output_tokens=10))
    assert not advised(place)


def test_did_it_save(anywhere: Office) -> None:
    anywhere.record(30, 10)
    (one,) = advised(anywhere, "cheaper_model")
    now = MIDNIGHT
    accepted = anywhere.advice.accept(one.id, now, author="ada", reason="try it")
    assert accepted is not None and accepted.before is not None
    assert (accepted.before["calls"], accepted.before["nano_usd"]) == (300, 300 * 350_000_000)
    assert anywhere.advice.accept(one.id, now, author="ada", reason="again") is None

    def tracked(days: int) -> tuple[str, int | None]:
        anywhere.clock.now += timedelta(days=days)
        anywhere.run()
        kept = anywhere.advice.recommendations.one(one.id)
        assert kept is not None and kept.tracking is not None and kept.state == "accepted"
        return kept.tracking["verdict"], kept.tracking["saved"]

    decided = accepted.decided_at
    assert decided is not None
    start = decided // DAY * DAY + DAY
    anywhere.record(1, 10, "gpt-4o-mini", start=start)
    assert tracked(2) == ("too_early", None)
    anywhere.record(10, 14, "gpt-4o-mini", start=start + 2 * DAY, hour=1)
    # By gpt-4o each would have cost $0.35, and not $0.021.
    assert tracked(11) == ("saved", 150 * 329_000_000)
    assert tracked(1) == ("saved", 150 * 329_000_000), "each call counts once"
    entry = AuditTrail(anywhere.database).entries(AuditQuery(kind="recommendation"))[0][0]
    assert (entry.action, entry.author, entry.reason) == ("accept", "ada", "try it")


def test_advice_that_nobody_follows(place: Office) -> None:
    place.record(30, 10)
    (one,) = advised(place, "cheaper_model")
    accepted = place.advice.accept(one.id, MIDNIGHT, author="ada", reason="")
    assert accepted is not None and accepted.decided_at is not None
    place.record(10, 12, start=accepted.decided_at // DAY * DAY + DAY, hour=1)
    place.clock.now += timedelta(days=12)
    place.run()
    kept = place.advice.recommendations.one(one.id)
    assert kept is not None and kept.tracking is not None and kept.tracking["verdict"] == "not_followed"


def test_what_is_dismissed_comes_again_only_if_it_is_worth_twice_as_much(anywhere: Office) -> None:
    anywhere.record(30, 2)
    (one,) = advised(anywhere, "cheaper_model")
    store = anywhere.advice.recommendations
    assert store.dismiss(one.id, author="ada", reason="it writes badly") is not None
    anywhere.run()
    kept = store.one(one.id)
    assert kept is not None and (kept.state, kept.reason) == ("dismissed", "it writes badly")
    store.look([replaced(one, 39)])
    assert store.all(("open",)) == []
    store.look([replaced(one, 40)])
    assert [each.state for each in store.all()] == ["open"]
    store.look([])
    assert [each.state for each in store.all()] == ["gone"]
    store.look([one])
    assert [each.state for each in store.all()] == ["open"]
    store.look([])
    anywhere.clock.now += timedelta(days=401)
    store.look([])
    assert store.all() == []


def replaced(one: Recommendation, dollars: int) -> Recommendation:
    assert one.saving is not None
    return one._replace(saving=one.saving._replace(mid=dollars * USD, high=dollars * USD), spend=100 * USD)


def test_a_discount_of_a_tenant_is_in_the_money(place: Office) -> None:
    by = {"author": "ada", "reason": "the contract"}
    place.book.add(
        "discount", {"provider": "openai", "tenant": "acme", "percent": 50, "valid_from": "2026-01-01"}, **by
    )
    place.record(30, 1, tags={"feature": "search", "tenant": "acme", "user": "u"})
    place.record(30, 1, tags={"feature": "search", "tenant": "other", "user": "u"}, hour=12)
    (one,) = advised(place, "cheaper_model")
    assert one.spend == 30 * 525_000_000
    assert one.saving is not None and one.saving.mid == 30 * (164_500_000 + 329_000_000)


def test_sounds_are_left_out_of_sums_of_text(place: Office) -> None:
    place.record(30, 2)
    usage = Usage(1_000_000, 10_000, input_audio_tokens=900_000)
    calls = place.record(30, 1, "gemini-2.5-flash", usage=usage, hour=20, provider="gcp.gemini")
    assert all(call.cost is not None for call in calls)
    assert {one.evidence.get("model") for one in advised(place, "cheaper_model")} == {"gpt-4o"}
