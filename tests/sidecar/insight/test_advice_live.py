"""Advice by the API, the client and the command line: shown, taken, dismissed, and followed up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from cli.telling import Tell
from sidecar.api.world import NOW, World, make_call
from tollkeeper.client import Client, NotFound, Outdated
from tollkeeper.model import Usage
from tollkeeper.sidecar.advice_gauges import STALE, advice_samples
from tollkeeper.sidecar.insight.advice import NAME
from tollkeeper.sidecar.insight.evaluators import Evaluators

LARGE = Usage(input_tokens=400_000, output_tokens=100_000)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(f"sqlite:///{tmp_path_factory.mktemp('advice') / 'ledger.db'}")
    made.record(
        *(
            make_call(day * 10 + number, at=NOW - timedelta(days=day, hours=2), usage=LARGE, tags=tags)
            for day in range(1, 21)
            for number, tags in enumerate(
                [{"feature": "search", "user": "u"}] * 5 + [{"feature": "nightly"}] * 4
            )
        )
    )  # fmt: skip
    yield made
    made.close()


def evaluate(world: World) -> None:
    advice = world.insight.advice.evaluator()
    Evaluators((advice,), world.insight.evaluations, world.clock.nanoseconds).tick()


def test_from_nothing_to_what_was_saved(world: World, url: str, tell: Tell) -> None:
    assert "Nobody has looked yet" in tell("recommendations").out
    evaluate(world)
    with Client(url, world.key("admin")) as client:
        found = client.recommendations()
        assert found.evaluated_at == NOW
        by_kind = {(one.kind, one.scope["feature"]): one for one in found.recommendations}
        search, nightly = by_kind["cheaper_model", "search"], by_kind["cheaper_model", "nightly"]
        # Five a day, of $1.00 + $1.00 each, in place of $0.06 + $0.06.
        assert search.saving is not None and search.saving.mid == Decimal("282") and search.spend == 300
        batch = by_kind["batch", "nightly"]
        assert batch.alternative_to == nightly.id and nightly.saving is not None
        assert found.total.mid == search.saving.mid + nightly.saving.mid, "alternatives do not add up"
        shown = client.recommendation(search.id)
        assert shown.evidence["new_model"] == "gpt-4o-mini" and shown.rests_on and shown.risks
        assert client.recommendations(kind="batch").recommendations == [batch]
        _take_and_dismiss(client, search.id, batch.id, tell)
    with Client(url, world.key("read")) as reader, pytest.raises(Exception, match="needed is edit"):
        reader.accept_recommendation(nightly.id)


def _take_and_dismiss(client: Client, taken: str, left: str, tell: Tell) -> None:
    listed = tell("recommendations", "list", "--kind", "cheaper_model")
    assert taken in listed.out and "$282.0000" in listed.out
    shown = tell("recommendations", "show", taken).out
    assert 'do = "cheaper"' in shown and "rests on: 100 calls of 20 days" in shown and "beware:" in shown
    assert "Nothing was changed by this" in tell("recommendations", "accept", taken, "--reason", "try").out
    dismissed = client.dismiss_recommendation(left, reason="it must be fresh")
    assert (dismissed.state, dismissed.reason, dismissed.decided_by) == ("dismissed", "it must be fresh", "a test")
    assert client.recommendation(taken).before is not None
    with pytest.raises(Outdated, match="is accepted already, by a test"):
        client.accept_recommendation(taken)
    with pytest.raises(NotFound):
        client.recommendation("nobody")
    assert "there is no recommendation 'nobody'" in tell("recommendations", "show", "nobody").err
    assert "why, for the audit trail" in tell("recommendations", "dismiss", taken, "--reason", " ").err


def shown(world: World) -> dict[str, float]:
    now = world.clock.nanoseconds()
    found = advice_samples(world.insight.evaluations.latest(NAME), now)
    return {" ".join([one.name, *(value for _, value in one.labels)]): one.value for one in found}


def test_what_was_taken_is_followed(world: World, tell: Tell) -> None:
    with_cheaper: dict[str, Any] = {
        "request_model": "gpt-4o-mini",
        "response_model": "gpt-4o-mini",
        "tags": {"feature": "search"},
    }
    cost = make_call(0, usage=LARGE).cost
    assert cost is not None
    cheap = cost._replace(usd=Decimal("0.12"), items=())
    world.record(
        *(
            make_call(1000 + number, at=NOW + timedelta(hours=number), usage=LARGE, cost=cheap, **with_cheaper)
            for number in range(1, 130)
        )
    )
    world.clock.now = NOW + timedelta(days=6)
    evaluate(world)
    gauges = shown(world)
    assert gauges["tollkeeper_recommendations_saved_usd"] == 242.52
    assert gauges["tollkeeper_recommendations cheaper_model"] == 1
    assert gauges["tollkeeper_recommended_saving_usd low"] < gauges["tollkeeper_recommended_saving_usd high"]
    assert not list(advice_samples(world.insight.evaluations.latest(NAME), world.clock.nanoseconds() + 2 * STALE))
    said = tell("recommendations", "--state", "accepted")
    assert "saved $242.5200" in said.out, "129 times $2.00 less $0.12"
    (id,) = (row[0] for row in said.rows if len(row[0]) == 16)
    told = tell("recommendations", "show", id).out
    assert "129 calls, 129 of them in the new way: $15.4800" in told and "in nineteen of twenty cases" in told
