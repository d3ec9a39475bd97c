"""A notification as programs read it: what a webhook is sent, and what a Python function is given."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from tollkeeper.model.alert import Notification
from tollkeeper.sidecar.notify.contract import Attachment, Message

NANO: Final = 1_000_000_000
TOKENS: Final = ("tokens", "input_tokens", "output_tokens")
ALERT_TYPES: Final[Mapping[str, str]] = {"limit": "quota_threshold"}
"""By what name a kind of finding goes, where it is not its own."""

DIGEST: Final = "digest"
REPORT: Final = "report"


def payload_of(notification: Notification | None, message: Message) -> dict[str, Any]:
    """What JSON can say, but for dollars, which are `Decimal`. Unknown is `None`."""
    told = {"severity": message.severity, "title": message.title, "message": message.body, "link": message.link}
    if notification is None:
        if message.attachment is not None:
            return {"alert_type": REPORT, **told, "file": _file(message.attachment)}
        return {"alert_type": DIGEST, **told}
    alert, finding = notification.alert, notification.alert.finding
    facts = finding.facts
    measure = facts.get("measure")
    counts_tokens = measure in TOKENS
    return {
        "id": notification.id,
        "alert_id": alert.id,
        "event": notification.event,
        "alert_type": ALERT_TYPES.get(finding.kind, finding.kind),
        **told,
        "severity": finding.severity,
        "level": finding.level,
        "config_id": finding.scope.get("config"),
        "provider": finding.scope.get("provider"),
        "usage_percent": facts.get("percent"),
        "total_tokens": facts.get("used") if counts_tokens else None,
        "quota_limit": facts.get("amount") if counts_tokens else None,
        "timestamp": moment(notification.created_at),
        "limit": finding.subject,
        "scope": dict(finding.scope),
        "measure": measure,
        "used": in_unit(measure, facts.get("used")),
        "held": in_unit(measure, facts.get("held")),
        "amount": in_unit(measure, facts.get("amount")),
        "forecast": in_unit(measure, facts.get("forecast")),
        "forecast_low": in_unit(measure, facts.get("forecast_low")),
        "forecast_high": in_unit(measure, facts.get("forecast_high")),
        "probability": facts.get("probability"),
        "exhausted_at": moment(facts.get("exhausted")),
        "pace": facts.get("pace"),
        "mode": facts.get("mode"),
        "form": facts.get("form"),
        "anomaly": _anomaly(facts) if finding.kind == "anomaly" else None,
        "period_start": moment(finding.period_start),
        "period_end": moment(finding.period_end),
        "began_at": moment(alert.began_at),
        "ended_at": moment(alert.ended_at),
    }


ANOMALY: Final = (
    "anomaly_id", "anomaly_kind", "metric", "step", "actual", "expected", "low", "high", "score", "rule", "response",
    "calls", "calls_per_hour", "change", "cause", "top",
)  # fmt: skip


def _anomaly(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Figures in the metric's unit: money in dollars, latencies in seconds."""
    is_money = facts.get("metric") in ("spend", "cost_per_request")
    said = {name: facts.get(name) for name in ANOMALY}
    if is_money:
        said |= {name: _dollars(facts.get(name)) for name in ("actual", "expected", "low", "high")}
    for name in ("excess", "per_hour"):
        said[f"{name}_usd"] = _dollars(facts.get("excess_nano_usd" if name == "excess" else "nano_usd_per_hour"))
    return said


def _dollars(nano_usd: float | None) -> Decimal | None:
    return None if nano_usd is None else Decimal(round(nano_usd)) / NANO


def _file(attachment: Attachment) -> dict[str, Any]:
    return {
        "name": attachment.name,
        "media_type": attachment.media_type,
        "size": len(attachment.content),
        "base64": b64encode(attachment.content).decode(),
    }


def in_unit(measure: object, number: int | None) -> int | Decimal | None:
    """A number of a measure in its unit: of `usd`, dollars, exact."""
    return Decimal(number) / NANO if measure == "usd" and number is not None else number


def moment(nanoseconds: int | None) -> str | None:
    """A moment as ISO 8601 has it, in UTC; `None` for one that is not, and for the epoch."""
    if not nanoseconds:
        return None
    seconds, rest = divmod(nanoseconds, NANO)
    return f"{datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()}.{rest // 1_000_000:03d}Z"
