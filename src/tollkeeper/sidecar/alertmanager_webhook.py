"""What an Alertmanager tells by its webhook, as alerts of ours.

Version 4: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

from tollkeeper.model.alert import Alert
from tollkeeper.model.finding import Finding, Severity
from tollkeeper.model.limit import PER

SEVERITY_OF: Final[Mapping[str, Severity]] = {
    "none": "info",
    "debug": "info",
    "info": "info",
    "notice": "info",
    "warning": "warning",
    "warn": "warning",
    "error": "critical",
    "critical": "critical",
    "page": "critical",
    "emergency": "emergency",
}
"""The words that rules use. What is none of them, or not said, is a warning."""
SCOPE_LABELS: Final[Mapping[str, str]] = {
    **{name: name for name in (*PER, "limit")},
    "gen_ai_provider_name": "provider",
    "gen_ai_request_model": "model",
    "gen_ai_response_model": "model",
    "service_name": "service",
}
"""Labels that say what an alert is about, and what that is called in channels and silences; the later goes before."""
OURS: Final = "tollkeeper"
"""The label `service` of alerts that a sidecar has sent to Alertmanager says by whom they are."""
LONGEST: Final = 2000
NANO: Final = 1_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Posted(NamedTuple):
    """One alert of a webhook."""

    status: Literal["firing", "resolved"]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime | None
    generator_url: str


def alert_of(posted: Posted, now: int) -> Alert:
    """The same alert has the same id, until it is over; `now` is in nanoseconds since the epoch."""
    labels = {name: value[:LONGEST] for name, value in posted.labels.items()}
    told = dict(SCOPE_LABELS) if labels.get("service") != OURS else {**SCOPE_LABELS, "service": ""}
    scope = {said: value for name, said in told.items() if said and (value := labels.get(name))}
    severity = SEVERITY_OF.get(labels.get("severity", "").lower(), "warning")
    finding = Finding("rule", labels.get("alertname", ""), scope, severity, facts=_facts(posted, labels))
    began_at = _nanoseconds(posted.starts_at)
    ended_at = None
    if posted.status == "resolved":
        ended_at = max(began_at, now if posted.ends_at is None else min(now, _nanoseconds(posted.ends_at)))
    said = json.dumps([sorted(posted.labels.items()), began_at])
    id = hashlib.blake2b(said.encode(errors="surrogatepass"), digest_size=12).hexdigest()
    return Alert(id, finding, began_at, now, ended_at)


def _facts(posted: Posted, labels: Mapping[str, str]) -> dict[str, Any]:
    annotations = posted.annotations
    said = {name: annotations.get(name, "")[:LONGEST] for name in ("summary", "description")}
    links = (annotations.get("dashboard_url"), annotations.get("runbook_url"), posted.generator_url)
    link = next((link for link in links if link and link.startswith(("https://", "http://"))), None)
    return {**said, "labels": labels} | ({"link": link[:LONGEST]} if link else {})


def _nanoseconds(at: datetime) -> int:
    since = at - _EPOCH
    return max(0, (since.days * 86_400 + since.seconds) * NANO + since.microseconds * 1000)
