"""Reports of what is evaluated: health, limits, anomalies, forecasts and recommendations."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from sidecar.api.world import NOW, World, failed, make_call
from tollkeeper.insight.advice.recommendation import Recommendation, Saving, Way
from tollkeeper.insight.anomaly.anomaly import Anomaly, Contributor
from tollkeeper.policy.document import read_toml
from tollkeeper.sidecar.api.answer import nanoseconds
from tollkeeper.storage.insight.anomalies import AnomalyStore, Found
from tollkeeper.storage.insight.recommendations import Recommendations

POLICY = """
[[limit]]
name = "monthly"
limit = "$0.02 / month"

[[limit]]
name = "daily"
limit = "$0.004 / day per tenant"

[[limit]]
name = "tokens"
limit = "10,000 tokens / day"
"""
HOUR = 3600 * 10**9
FORMULA = "=cmd|'/c calc'!A0"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("evaluated")
    made = World(f"sqlite:///{folder / 'ledger.db'}")
    made.policies.set(read_toml(POLICY, "policy"), author="tests", reason="a test")
    made.record(
        make_call(1), make_call(2, at=NOW - timedelta(days=1)), make_call(3, at=NOW - timedelta(days=1)), failed(4),
        make_call(5, tags={"tenant": "globex"}),
    )  # fmt: skip
    now = made.clock.nanoseconds()
    for evaluator in made.insight.evaluators:
        made.insight.evaluations.claim(evaluator.name, HOUR)
        made.insight.evaluations.keep(evaluator.name, now, evaluator.run(now))
    _advise(made, now)
    yield made
    made.close()


def _advise(made: World, now: int) -> None:
    because = Contributor("model", "gpt-4o", 9_000_000_000, 1_000_000_000, 8_000_000_000, 1.0, 8_000_000_000, 0, 0)
    odd = Anomaly(
        "spike", "spend", {"tenant": FORMULA}, "hour", nanoseconds(NOW) - 5 * HOUR, nanoseconds(NOW) - 4 * HOUR,
        9e9, 1e9, 5e8, 2e9, 9.0, 8_000_000_000, "critical", None, (because,),
    )  # fmt: skip
    AnomalyStore(made.database, made.clock.nanoseconds).follow("hour", [Found(odd)], now)
    advice = Recommendation(
        "cheaper_model", {"feature": "chat"}, "gpt-4o", "gpt-4o-mini in place of gpt-4o", {}, 50 * 10**9,
        Saving(10 * 10**9, 20 * 10**9, 30 * 10**9), "medium", ("1,000 calls",),
        (Way("policy", '[[limit]]\nname = "x"'),), ("It may be worse.",),
    )  # fmt: skip
    Recommendations(made.database, made.clock.nanoseconds).look([advice])
    made.insight.evaluations.claim("recommendations", HOUR)
    made.insight.evaluations.keep("recommendations", now, {})


def report(world: World, kind: str, **query: Any) -> Any:
    answer = world.client("read").get(f"/api/v1/reports/{kind}", params=query)
    assert answer.status_code == 200, answer.text
    return json.loads(answer.text, parse_float=Decimal)


def rows(report: Any, name: str) -> list[dict[str, Any]]:
    (table,) = [table for section in report["sections"] for table in section["tables"] if table["name"] == name]
    return [dict(zip([one["name"] for one in table["columns"]], row, strict=True)) for row in table["rows"]]


def figures(report: Any) -> dict[str, Any]:
    return {one["label"]: one["value"] for section in report["sections"] for one in section["figures"]}


def text_of(world: World, kind: str) -> str:
    answer = world.client("read").get(f"/api/v1/reports/{kind}", params={"format": "pdf"})
    return " ".join(page.extract_text() for page in PdfReader(io.BytesIO(answer.content)).pages)


def test_budgets_stand_as_the_limits_say(world: World) -> None:
    found = report(world, "budgets")
    standing = {(one["limit"], one["who"]): one for one in rows(found, "budgets")}
    for use in world.services.reports.uses.all():
        if use.limit.measure == "usd":
            who = ", ".join(f"{name} {value}" for name, value in use.scope.items()) or "everybody"
            assert standing[use.limit.name, who]["used"] * 10**9 == use.used
    assert standing["monthly", "everybody"]["used"] == Decimal("0.014")
    assert standing["daily", "tenant acme"]["percent"] == Decimal("87.5")
    (tokens,) = rows(found, "limits")
    assert (tokens["limit"], tokens["measure"], tokens["used"], tokens["amount"]) == ("tokens", "tokens", 2200, 10_000)
    (past,) = rows(found, "past_periods")
    assert (past["limit"], past["who"], past["over"], past["highest"]) == ("daily", "tenant acme", 1, Decimal("0.007"))


def test_with_a_tenant_nobody_elses_budgets_are_shown(world: World) -> None:
    found = rows(report(world, "budgets", tenant="globex"), "budgets")
    assert [one["who"] for one in found] == ["tenant globex"]


def test_performance_is_of_the_calls_of_the_period(world: World) -> None:
    found = report(world, "performance")
    (openai,) = rows(found, "providers")
    assert (openai["calls"], openai["success_rate"], openai["rate_limited"]) == (5, 80, 20)
    assert openai["cost_per_answer"] == Decimal("0.0035")
    (error,) = rows(found, "errors")
    assert (error["error"], error["status"], error["calls"]) == ("RateLimitError", "429", 1)
    (budget,) = rows(found, "error_budgets")
    assert (budget["calls"], budget["failed_calls"], budget["state"]) == (5, 1, "used up")
    assert figures(report(world, "performance", tenant="acme"))["Calls"] == 4


def test_anomalies_are_told_with_their_causes(world: World) -> None:
    found = report(world, "anomalies")
    (one,) = rows(found, "anomalies")
    assert (one["severity"], one["excess"], one["actual"]) == ("critical", 8, "$9.00")
    assert FORMULA in one["what"]
    notes = found["sections"][-1]["notes"]
    assert "model gpt-4o: $8.00 more (100 %), by more calls" in notes
    assert rows(report(world, "anomalies", tenant="globex"), "anomalies") == []
    assert "by more calls" in text_of(world, "anomalies")


def test_a_false_anomaly_is_not_severe(world: World) -> None:
    (kept,) = world.insight.anomalies.anomalies()
    assert figures(report(world, "anomalies"))["Severe"] == 1
    world.insight.anomalies.label(kept.id, "false", author="a test")
    assert figures(report(world, "anomalies"))["Severe"] == 0
    world.insight.anomalies.label(kept.id, None, author="a test")


def test_advice_says_how_to_do_it(world: World) -> None:
    found = report(world, "optimisation")
    assert figures(found)["Saving in a month"] == 20
    (one,) = rows(found, "recommendations")
    assert (one["saving"], one["low"], one["high"]) == (20, 10, 30)
    assert found["sections"][2]["snippets"] == [{"label": "In the policy file", "text": '[[limit]]\nname = "x"'}]
    text = text_of(world, "optimisation")
    assert "It may be worse." in text
    assert 'name = "x"' in text


def test_a_forecast_that_nobody_can_make_is_none(world: World) -> None:
    """Two days are no history: what was spent is known, and nothing is invented."""
    found = report(world, "daily")
    (outlook,) = [section for section in found["sections"] if section["title"] == "Outlook"]
    values = {one["label"]: (one["value"], one["detail"]) for one in outlook["figures"]}
    assert values["This month up to now"][0] == Decimal("0.014")
    assert values["Forecast of the month"][1] == "", "there is no interval"
    assert any(note.startswith("Where it is unknown") for note in outlook["notes"])
    assert not any(one["title"] == "Outlook" for one in report(world, "daily", month="2026-02")["sections"])
