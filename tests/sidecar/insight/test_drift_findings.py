"""What people and Prometheus are told of a bill that does not agree with the ledger."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sidecar.notify.given import channel, notification
from tollkeeper.insight.reconcile.cell import Tolerance
from tollkeeper.insight.reconcile.drift import settled_days
from tollkeeper.insight.reconcile.line import InvoiceLine
from tollkeeper.insight.reconcile.reconcile import Recorded, Terms, reconcile
from tollkeeper.insight.reconcile.recorded import Sums, hour_of
from tollkeeper.model.finding import Finding
from tollkeeper.sidecar.insight.drift_findings import drift_findings
from tollkeeper.sidecar.insight.reconciliation import document
from tollkeeper.sidecar.notify.messages import message_of
from tollkeeper.sidecar.reconciliation_gauges import STALE, reconciliation_samples
from tollkeeper.storage.insight.evaluations import Evaluation
from tollkeeper.telemetry import sidecar_metrics as names

TODAY = date(2026, 9, 16)
NOW = (TODAY - date(1970, 1, 1)).days * 86_400 * 10**9
DAYS = [TODAY - timedelta(days=number) for number in range(20, 0, -1)]
DOLLAR = 10**9


class Kept:
    """The last evaluation."""

    def __init__(self, body: Any) -> None:
        self.kept = None if body is None else Evaluation("reconciliation", NOW, body)

    def latest(self, _: str) -> Evaluation | None:
        return self.kept


def body(factors: dict[int, float], lost: int = 0, error: str | None = None, own: tuple[str, ...] = ()) -> Any:
    """Ten dollars a day; some days, counted back from today, are billed at another factor."""
    hours = {hour_of(day): Sums(10, 1000 - lost, 0, 0, 0, 10 * DOLLAR) for day in DAYS}
    lines = [
        line
        for day in DAYS
        for line in (
            InvoiceLine("openai", "openai", day, "usage", "gpt-5", "input", 1000, 10, key="k"),
            InvoiceLine("openai", "openai", day, "cost", "gpt-5", "input", key="k",
                        amount=Decimal(str(10 * factors.get((TODAY - day).days, 1)))),
            InvoiceLine("openai", "openai", day, "cost", "gpt-5", "input", key="others", amount=Decimal(5)),
        )
        if own or line.key != "others"
    ]  # fmt: skip
    terms = Terms("openai", TODAY - timedelta(days=1), Tolerance(), frozenset(own))
    found = reconcile(lines, Recorded({("openai", "gpt-5"): hours}), DAYS, terms)
    account = {"name": "a", "provider": "openai", "error": error}
    return {"accounts": [account], "providers": [document(found, settled_days(found, terms))]}


def findings(said: Any) -> list[Finding]:
    return list(drift_findings(Kept(said))(NOW))  # type: ignore[arg-type]


def test_nobody_is_told_where_there_is_nothing() -> None:
    assert findings(None) == []
    assert findings(body({})) == []
    # A day that is not settled, one within the tolerance, and one that was told of long ago.
    assert findings(body({1: 3.0, 4: 1.004, 15: 2.0})) == []


def test_one_alert_tells_of_all_days_of_a_provider() -> None:
    (finding,) = findings(body({3: 1.03, 5: 1.03}))
    assert (finding.kind, finding.subject, finding.scope) == ("reconciliation", "openai", {"provider": "openai"})
    assert (finding.severity, finding.facts["difference_nano_usd"]) == ("warning", 600_000_000)
    assert finding.facts["days"] == ["2026-09-11", "2026-09-13"]
    assert finding.facts["causes"] == ["price"]
    told = notification(kind="reconciliation", subject="openai", scope=finding.scope, facts=dict(finding.facts))
    said = message_of(told, channel(url="env:ANY"))
    assert said.title == "Warning: openai bills $0.6000 more than the ledger has"
    assert "the same tokens are billed at another price" in said.body
    assert "Of 2 settled days: 2026-09-11 to 2026-09-13" in said.body


@pytest.mark.parametrize("said", [body({3: 1.3}), body({3: 1.02}, lost=150)])
def test_a_tenth_is_critical(said: Any) -> None:
    assert [finding.severity for finding in findings(said)] == ["critical"]


def test_what_is_known_to_be_others_is_no_drift() -> None:
    assert findings(body({}, own=("k",))) == []
    (finding,) = findings(body({4: 1.05}, own=("k",)))
    assert finding.facts["difference_nano_usd"] == 500_000_000


def samples(said: Any, now: int = NOW) -> dict[str, float]:
    return {sample.name: sample.value for sample in reconciliation_samples(Kept(said).latest(""), now)}


def test_gauges() -> None:
    found = samples(body({1: 3.0, 3: 1.03, 5: 1.03, 15: 2.0}, error="away"))
    assert found == {
        names.RECONCILIATION_MADE: NOW / 10**9,
        names.RECONCILIATION_FAILED: 1.0,
        names.RECONCILIATION_CAPTURE: 1.0,
        names.RECONCILIATION_DIFFERENCE: 0.6,
        names.RECONCILIATION_BILLED: 70.6,
        names.RECONCILIATION_DRIFTING: 2,
        # The day before yesterday is the newest that is settled.
        names.RECONCILIATION_SETTLED: (NOW - 86_400 * 10**9) / 10**9,
    }
    assert samples(body({}))[names.RECONCILIATION_FAILED] == 0
    # Of other clients, where their keys are known, nothing is told.
    assert samples(body({}, own=("k",)))[names.RECONCILIATION_DIFFERENCE] == 0
    assert samples(body({}, own=("k",)))[names.RECONCILIATION_BILLED] == 70
    assert samples(body({}), NOW + STALE + 1) == {}
    assert samples(None) == samples({"accounts": [], "providers": []}) == {}
