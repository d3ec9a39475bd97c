"""Alerts with everything real, from the call that spends money to the mail: the shipped rules, routes and templates."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import pytest

from deploy.whole import Whole, running, until
from grafana.rules.promtool import RULES, names_in
from tollkeeper.grafana.rules import names as n
from tollkeeper.telemetry.sidecar_metrics import LIMIT_DENIED, LIMIT_EXCEEDED, LIMIT_USED

A_CENT = "output-tokens=1000"
"""Of gpt-4o."""
LATE = 46
"""Of a minute's seconds: what is spent later may not be seen before the minute is over."""
BUILT_IN = {"up", "time", "vector"}
OF_WEEKS = {LIMIT_EXCEEDED, f"limit:{LIMIT_EXCEEDED}:max"}
"""Nobody can say that of a ledger that is a minute old; the tests of forecasts do."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    with running(tmp_path_factory.mktemp("whole")) as whole:
        until("the app knows its limits", lambda: whole.ask("openai", "first", 1, A_CENT).get("answered"))
        whole.change_policy("2M tokens / week")
        yield whole


class Minutes:
    """Spends the short budget, once in a minute, and only where there is time left to see it."""

    def __init__(self, whole: Whole) -> None:
        self._whole = whole
        self._spent_in = 0.0

    def spend(self) -> None:
        minute, seconds = divmod(time.time(), 60)
        if minute != self._spent_in and seconds <= LATE:
            self._spent_in = minute
            assert self._whole.ask("openai", "short", 3, A_CENT)["answered"] == 3


def fail(whole: Whole) -> None:
    """A provider that is down, seen by more than one scrape."""
    whole.ask("anthropic", "first", 3, "status=500")
    time.sleep(0.5)


def firing(whole: Whole, alert: str) -> list[dict[str, Any]]:
    found = whole.query("alerts")["alerts"]
    return [one for one in found if one["labels"]["alertname"] == alert and one["state"] == "firing"]


def test_from_the_call_to_the_mail(whole: Whole) -> None:
    minutes = Minutes(whole)
    minutes.spend()

    # Half of a budget is spent.
    assert whole.ask("openai", "steps", 6, A_CENT)["answered"] == 6
    until("the watchdog", lambda: whole.mailed("Alerting works.", "watchdog@example.org"))
    until("the first step", lambda: fail(whole) or whole.told("TollkeeperBudgetUsed", limit="steps", threshold="50"))
    assert not whole.told("TollkeeperBudgetUsed", limit="steps", threshold="80")
    until("its mail", lambda: whole.mailed("Budget steps (tenant=steps,provider=openai)", "digest@example.org"))

    # All of it: the highest step speaks, and mutes the others.
    assert whole.ask("openai", "steps", 6, A_CENT)["answered"] == 6
    until("the last step", lambda: whole.told("TollkeeperBudgetUsed", limit="steps", threshold="100"))
    for at in ("50", "80", "90", "95"):
        step = {"alertname": "TollkeeperBudgetUsed", "limit": "steps", "threshold": at}
        until("a lower one is muted", lambda step=step: _suppressed(whole.alerts(**step)))
    assert not whole.told("TollkeeperBudgetUsed", limit="steps", threshold="95")
    until("the page", lambda: whole.mailed("[FIRING: CRITICAL] Budget steps", "oncall@example.org"))

    # A provider is down, which explains what else it does wrong; then somebody knows.
    until("the provider", lambda: fail(whole) or whole.told("TollkeeperProviderDown"))
    until("its burn rate is muted", lambda: _suppressed(whole.alerts(alertname="TollkeeperErrorBudgetBurn")))
    whole.silence(alertname="TollkeeperProviderDown")
    until("the silence", lambda: whole.alerts(alertname="TollkeeperProviderDown")[0]["status"]["silencedBy"])

    # The minute ends, and with it what was spent in it.
    over = {"limit": "short", "threshold": "100"}
    until("the short budget", lambda: whole.told("TollkeeperBudgetUsed", **over) or minutes.spend())
    until("its end", lambda: whole.told("TollkeeperBudgetUsed", "resolved", **over))
    until("the mail of it", lambda: whole.mailed("[RESOLVED] Budget short", "oncall@example.org"))
    assert not whole.told("TollkeeperBudgetUsed", "resolved", limit="steps", threshold="100")

    text = next(plain(one) for one in whole.mail.messages if "Budget steps" in str(one["subject"]))
    assert "of budget steps (tenant=steps,provider=openai) is spent in this month" in text
    assert "docs/runbooks.md#tollkeeperbudgetused" in text and "/d/tollkeeper-budgets?var-tenant=steps" in text
    told = [annotation for request in whole.hooks.requests for one in request.json["alerts"]
            for annotation in one["annotations"].values()]  # fmt: skip
    assert not [each for each in told if "<no value>" in each or "error" in each.lower() and "expanding" in each]


def test_the_sidecar_takes_what_alertmanager_tells(whole: Whole) -> None:
    """The first notification, as it was sent."""
    status, answer = whole.tell_on(whole.hooks.requests[0].body)
    assert (status, answer) == (200, {"notifications": 0})


def plain(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def _suppressed(alerts: list[dict[str, Any]]) -> bool:
    return bool(alerts) and all(alert["status"]["inhibitedBy"] for alert in alerts)


def test_every_metric_and_label_of_every_rule_is_there(whole: Whole) -> None:
    whole.ask("openai", "once", 2, A_CENT)
    labels: dict[str, set[str]] = {}
    asked = {name for rule in RULES for name in names_in(rule.expr)} - BUILT_IN - OF_WEEKS

    def look() -> set[str]:
        since = str(time.time() - 3600)
        for name in asked - labels.keys():
            series = whole.query("series", **{"match[]": f'{{__name__=~"{name}(_bucket)?"}}', "start": since})
            if series:
                labels[name] = {label for one in series for label in one}
        return asked - labels.keys()

    for _ in range(200):
        missing = look()
        if not missing:
            break
        time.sleep(0.1)
    assert not missing
    for rule in RULES:
        known = set().union(*(labels.get(name, set()) for name in names_in(rule.expr))) | {"job", "band"}
        if {LIMIT_DENIED, *OF_WEEKS} & set(names_in(rule.expr)):
            # They have the others' labels; one that is empty, as of limits that are no provider's, is not there.
            known |= labels[LIMIT_USED]
        assert not labels_in(rule.expr) - known, rule


def labels_in(expr: str) -> set[str]:
    """The labels that it groups, matches or selects by."""
    lists = re.findall(r"\b(?:by|on|without)\s*\(([^()]*)\)", expr)
    selected = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", expr)
    return {name.strip() for each in lists for name in each.split(",")} - {""} | set(selected)


def test_zz_without_a_sidecar_nobody_is_told_of_budgets(whole: Whole) -> None:
    whole.sidecar.kill()
    until("it is missed", lambda: whole.told("TollkeeperSidecarDown", job=n.SIDECARS))
    until("nobody is told", lambda: _suppressed(whole.alerts(alertname="TollkeeperBudgetUsed", limit="steps")))
    until("the page", lambda: whole.mailed("No sidecar can be reached.", "oncall@example.org"))
