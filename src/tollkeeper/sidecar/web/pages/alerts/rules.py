"""What can alert: limits, rules of one's own, how the detectors look, and what is always looked for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from starlette.responses import Response

from tollkeeper.policy.document import read_json
from tollkeeper.policy.forms import write_form
from tollkeeper.sidecar.findings import told_at
from tollkeeper.sidecar.web.pages.alerts.matching import KIND_WORDS
from tollkeeper.sidecar.web.view import View

ALWAYS = (
    ("forecast", "A limit is expected to be used up before its period ends.", "/settings?tab=recording",
     "The option forecast_alert: how probable it must be"),
    ("emergency", "Emergency mode holds, until a person ends it.", "/budgets?tab=emergency",
     "Budgets: what is done then"),
    ("error_budget", "A provider fails so many calls that its error budget will not last.", "/analyze?tab=providers",
     "Providers: the benchmarks that are set for them"),
    ("unpriced_model", "A model was called in the last day and has no price.", "/pricing?tab=unpriced",
     "Pricing: give it one"),
    ("stale_prices", "The price list was installed more than 60 days ago.", "/settings?tab=health",
     "Where the sidecar is installed: update genai-prices"),
    ("counters_disagree", "The counters of a limit do not agree with the ledger.", "/settings?tab=health",
     "Nothing to set: tollkeeper limits rebuild mends it"),
    ("reconciliation", "What a provider bills differs from the ledger.", "/reports?tab=reconciliation",
     "The option invoices: a file of accounts and tolerances"),
    ("rule", "An Alertmanager has told of one of its own rules.", "/alerts?tab=channels",
     "Prometheus' rules; channels with “told by Alertmanager”"),
)  # fmt: skip
"""Kinds that are looked for without being asked: what it takes, and where that is changed."""


class Told(NamedTuple):
    """A limit, and the percentages of it that are told of."""

    name: str
    form: str
    denies: bool
    at: tuple[int, ...]


async def show(view: View) -> Response:
    """As the policy in force says it."""
    found = await view.together(policy=view.api.policy(), alerts=view.api.alerts(firing=True, limit=1000))
    firing = found["alerts"].alerts if found["alerts"] else []
    document = found["policy"].document if found["policy"] else {}
    return view.page(
        "alerts/rules.html", title="Alerts", tab="rules", policy=found["policy"],
        limits=limits_of(document) if document else (), own=document.get("anomaly", ()),
        detection=document.get("detection", ()),
        firing=Counter(each.kind for each in firing), firing_of=Counter((each.kind, each.subject) for each in firing),
        always=ALWAYS, kind_words=KIND_WORDS,
    )  # fmt: skip


def limits_of(document: dict[str, Any]) -> Sequence[Told]:
    """Those of a policy in force."""
    limits = read_json(json.dumps(document, default=float), "the policy").limits
    return [Told(each.name, write_form(each), each.mode == "hard", told_at(each)) for each in limits]
