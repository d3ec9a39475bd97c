"""A company that a sidecar has seen months of: calls, limits, prices, alerts, and people who changed things."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from services.sinks import HttpSink
from sidecar.api.serving import serving
from sidecar.api.world import Clock, World, make_call
from tollkeeper.alerting.channel import Channel
from tollkeeper.cli.demo.past import record_past
from tollkeeper.client import Client
from tollkeeper.model import Call, Usage
from tollkeeper.sidecar.alerting import Alerting
from tollkeeper.sidecar.findings import Findings
from tollkeeper.sidecar.insight.anomaly_findings import findings_of
from tollkeeper.sidecar.insight.drift_findings import drift_findings
from tollkeeper.sidecar.insight.evaluators import Evaluators
from tollkeeper.sidecar.insight.forecast_findings import forecast_findings, foreseen
from tollkeeper.sidecar.insight.health import budget_findings
from tollkeeper.sidecar.ledger_use import LedgerUse
from tollkeeper.sidecar.limit_use import LimitUses
from tollkeeper.sidecar.limit_watch import LimitWatch
from tollkeeper.sidecar.notify.build import notifier_of
from tollkeeper.storage.ledger import Started
from tollkeeper.storage.prices.pricer import Pricer

NOW = datetime(2026, 3, 18, 14, 30, 15, 250_000, tzinfo=UTC)
"""A Wednesday, in the middle of a month."""
DAYS = 60
OF_FILE = (Channel("pager", "webhook", "env:NO_SUCH_PAGER", at_least="critical"),)
LIMITS: list[dict[str, Any]] = [
    {"name": "company", "limit": "$520 / month", "mode": "soft"},
    {"name": "tenant-day", "limit": "$9 / day per tenant", "mode": "soft"},
    {"name": "agents", "limit": "$120 / month per feature", "match": {"tags": {"feature": "agent"}}, "mode": "soft"},
    {"name": "openai-week", "limit": "$60 / week", "match": {"provider": "openai"}, "mode": "soft"},
    {"name": "tokens-minute", "limit": "2M tokens / rolling minute per tenant"},
    {"name": "at-once", "limit": "20 concurrent calls per tenant", "on_exceeded": "wait 30s"},
    {"name": "one-call", "limit": "$2 per request"},
]
POLICY: dict[str, Any] = {
    "policy": {"name": "company"},
    "limit": LIMITS,
    "ladder": [
        {
            "limit": "agents",
            "steps": [
                {"at": 80, "do": "cheaper", "models": {"claude-sonnet-*": "claude-haiku-4-5"}},
                {"at": 95, "do": "cap_output", "tokens": 400},
            ],
        }
    ],
    "emergency": {"models": {"gpt-*": "gpt-4.1-nano"}, "tokens": 128},
}


def fill(world: World, sink: HttpSink, days: int = DAYS) -> None:
    """Everything, as it would have come about. It takes seconds."""
    world.clock.now = NOW - timedelta(days=days)
    with serving(world.app) as url:
        _begin(world, url, sink)
        world.clock.now = NOW
        record_past(world.ledger, Pricer(world.prices), world.clock.nanoseconds(), days)
        _record_the_rest(world)
        _go_on(world, url)
        look(world)
        _attend(world, url)


def look(world: World) -> None:
    """What the clock runs of a sidecar, once: counters, insight, alerts, and what is told of them."""
    world.agreement.tend()
    Evaluators(world.insight.evaluators, world.insight.evaluations, world.clock.nanoseconds).tick()
    alerting = _alerting(world)
    alerting.look()
    alerting.deliver()
    alerting.close()


def person(world: World, url: str, name: str, *scopes: str) -> Client:
    """The API's client of somebody, whose name the audit trail has."""
    key, _ = world.access_keys.create(name, scopes, author="tests")
    return Client(url, key)


def _begin(world: World, url: str, sink: HttpSink) -> None:
    with person(world, url, "Ada", "read", "write", "admin") as ada:
        before = [{**LIMITS[0], "limit": "$400 / month"}, *LIMITS[1:]]
        ada.set_policy({**POLICY, "limit": before}, reason="What we can spend this year")
        ada.set_channel("ops", {"kind": "webhook", "url": "env:OPS_WEBHOOK"}, reason="The people on call")
        ada.set_channel("finance", {"url": "env:FINANCE_MAIL", "at_least": "critical", "digest": "weekly"})
        ada.add_price(
            {"provider": "openai", "model": "gpt-4o-mini", "input": "0.15", "output": "0.6"},
            reason="As the contract says",
        )
        ada.add_price({"provider": "*", "model": "gpt-4o", "percent": "10"}, kind="discount", reason="Volume discount")
    world.channels.store.set(Channel("hook", "webhook", sink.url), author="Ada", reason="Our own listener")


def _record_the_rest(world: World) -> None:
    """What the past has not: reasoning, audio, a trace, what was cut short, configurations, and an orphan."""
    calls = list(_special(world.clock.now))
    world.record(*Pricer(world.prices).price(calls))
    lost = make_call(990_000, at=NOW - timedelta(hours=3), usage=Usage(), cost=None, price_status=None)
    world.ledger.mark_started([Started(lost)])


def _special(now: datetime) -> Iterator[Call]:
    plain = {"cost": None, "price_status": None}
    tags = {"tenant": "acme", "user": "acme-u-1", "feature": "chat", "service": "web", "session": "s-9"}
    yield make_call(
        900_001, at=now - timedelta(minutes=4), request_model="o4-mini", response_model="o4-mini-2025-04-16", tags=tags,
        usage=Usage(4200, 1900, cache_read_tokens=1024, reasoning_tokens=1500), trace_id="7" * 32, span_id="5" * 16,
        attempt=1, **plain,
    )  # fmt: skip
    yield make_call(
        900_002, at=now - timedelta(minutes=3), stream=True, abandoned=True, usage_source="partial", **plain
    )
    yield make_call(
        900_003, at=now - timedelta(minutes=2), error_type="InternalServerError", status_code=503, usage=Usage(),
        usage_source="unknown", tags=tags, **plain,
    )  # fmt: skip
    for number, config in enumerate(("nightly", "nightly", "support-bot")):
        yield make_call(
            900_010 + number, at=now - timedelta(hours=number + 1), tags={**tags, "config": config}, **plain
        )


def _go_on(world: World, url: str) -> None:
    with person(world, url, "Grace", "read", "write", "admin") as grace:
        version = grace.policy().version
        grace.set_policy(POLICY, reason="More customers than planned", expected=version)
        grace.set_quota("nightly", 2000, reason="It is only a nightly job")
        mini = next(one for one in grace.prices(model="gpt-4o-mini").prices if one.kind == "price")
        grace.schedule_price(
            mini.row, {"input": "0.12"}, valid_from=NOW + timedelta(days=14), reason="The new contract begins"
        )
        grace.set_benchmark("openai", "success_rate", Decimal("0.995"), source="their service level agreement")
        grace.silence({"kind": "unpriced_model"}, comment="We know; it is our own machine", duration="6h")
        grace.import_invoice(_bill(), name="openai.csv", mapping=MAPPING, apply=True, reason="The bill of February")
        grace.enter_emergency(reason="An agent in a loop, it seems")
        grace.leave_emergency(reason="It was a load test")


def _attend(world: World, url: str) -> None:
    """What people do with what they were told."""
    with person(world, url, "Linus", "read", "write", "admin") as linus:
        for one in [one for one in linus.alerts(firing=True).alerts if one.kind == "limit"][:1]:
            linus.acknowledge_alert(one.id, reason="I am looking")
        old = [one for one in linus.anomalies().anomalies if one.ended_at is not None]
        for one in old[:1]:
            linus.label_anomaly(one.id, "real", note="A customer has imported all that it has")
        advice = linus.recommendations().recommendations
        for one in advice[-1:]:
            linus.dismiss_recommendation(one.id, reason="Not worth the work")


MAPPING = {"provider": "openai", "day": "Day", "model": "Model", "amount": "Cost"}


def _bill() -> str:
    days = (date(2026, 2, day) for day in range(1, 29))
    return "Day,Model,Cost\n" + "".join(f"{day},gpt-4o,1.25\n{day},gpt-4o-mini,0.04\n" for day in days)


def _alerting(world: World) -> Alerting:
    clock = world.clock.nanoseconds
    uses = LimitUses(LedgerUse(world.ledger, world.resets), world.limiting, clock)
    forecasts, evaluations = world.insight.forecasts.published, world.insight.evaluations
    findings = Findings(
        uses, world.limiting, world.agreement, world.ledger, LimitWatch(lambda: None), clock,
        {
            "anomaly": findings_of(world.insight.anomalies), "forecast": forecast_findings(forecasts),
            "reconciliation": drift_findings(evaluations), "error_budget": budget_findings(evaluations),
        },
        lambda use: foreseen(forecasts, use),
    )  # fmt: skip
    return Alerting(
        findings, world.alerts, world.outbox, world.channels, notifier_of, "http://toll.example", lambda: clock() / 1e9
    )


def opened(url: str, **options: Any) -> World:
    """The company's sidecar over a database."""
    return World(url, of_file=OF_FILE, clock=Clock(NOW), **options)
