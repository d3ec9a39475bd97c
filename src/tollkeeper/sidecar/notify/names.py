"""What a template may name: the facts of an alert as people read them, in one line each, and harmless anywhere."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from tollkeeper.model.alert import Notification
from tollkeeper.model.limit import MEASURES
from tollkeeper.policy.forms import amount_text
from tollkeeper.sidecar.notify.payload import NANO

NAMES: Final[Mapping[str, str]] = {
    "event": "`fired`, `worsened`, `repeated` or `resolved`",
    "resolved": "whether it is over",
    "kind": "`limit`, `forecast`, `emergency`, `anomaly`, `error_budget`, `reconciliation`, `unpriced_model`, "
    "`stale_prices`, `counters_disagree`, or `rule`: of Alertmanager",
    "severity": "`info`, `warning`, `critical` or `emergency`",
    "level": "the highest threshold that is reached, in percent; 0 where there are none",
    "subject": "what it is about: the name of the limit, of the model, or of the rule; of an anomaly, what is unusual",
    "limit": "the same, where it is about a limit",
    "form": "the limit in words, such as `$10 / day per tenant`",
    "mode": "`hard` or `soft`",
    "measure": "what is counted, such as `tokens`",
    "window": "such as `day`",
    "scope": "whose it is, by name: `scope.tenant`",
    "who": "the same in words, such as `tenant acme`; empty where it is for all",
    "used": "with its unit, such as `$8.50`; held is part of it",
    "held": "by calls under way",
    "amount": "that may be used",
    "percent": "used, of the amount: a number",
    "pace": "1 lasts exactly for the period, 2 for half of it: a number",
    "forecast": "what will be used at the end of the period: as forecast, or at this pace",
    "forecast_low": "no more than 10 of 100 such periods end with less",
    "forecast_high": "no more than 10 of 100 end with more",
    "probability": "that more is used than may be, in percent: a number",
    "exhausted": "when it will be used up, most probably, in UTC",
    "exhausted_early": "the same, at the earliest of 80 of 100 cases",
    "exhausted_late": "and at the latest",
    "actual": "of an anomaly, the figure with its unit",
    "expected": "what would have been usual, such as `$1.00 to $7.00`",
    "excess": "what was spent above what was expected",
    "top": "of an anomaly, what makes up most of the excess: a text each",
    "contributors": "who has used most: each has `dimension`, `value`, `amount` and `share` (percent)",
    "period_start": "when its period began, in UTC",
    "period_end": "when it ends",
    "began_at": "when it was first seen",
    "ended_at": "when it was over",
    "acknowledged_by": "who has taken it on",
    "link": "where to read more",
    "config_id": "the tag `config` of it, if it has one",
    "provider": "its provider, if it is of one",
    "channel": "the channel's name",
    "id": "of this notification",
    "alert_id": "of the alert: the same from when it fires until it is over",
    "facts": "all that is known, as it came",
}
"""Each name, and what it says. What is not known, or does not apply, is `none`, and shown as nothing."""

MOST_CONTRIBUTORS: Final = 10
LONGEST_VALUE: Final = 500
NOBODY: Final = "(none)"
"""Whose it is, where calls do not say so."""

_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
_MENTION = re.compile(r"(?<=@)(?=(?:everyone|here|channel|all)\b)|(?<=<)(?=[@!])", re.IGNORECASE)
_ZERO_WIDTH_SPACE = "\u200b"


def clean(value: str) -> str:
    """A text that somebody else chose: on one line, as it is read, and calling nobody in a chat."""
    shown = _MENTION.sub(_ZERO_WIDTH_SPACE, _INVISIBLE.sub(" ", value))
    return shown if len(shown) <= LONGEST_VALUE else f"{shown[: LONGEST_VALUE - 1]}…"


def names_of(notification: Notification) -> dict[str, Any]:
    """The value of each of `NAMES`."""
    alert, finding = notification.alert, notification.alert.finding
    facts: Mapping[str, Any] = _cleaned(finding.facts)
    scope = {clean(name): clean(value) for name, value in finding.scope.items()}
    measure, subject = facts.get("measure"), clean(finding.subject)
    return {
        "event": notification.event,
        "resolved": notification.event == "resolved",
        "kind": finding.kind,
        "severity": finding.severity,
        "level": finding.level,
        "subject": subject,
        "limit": subject if finding.kind in ("limit", "forecast", "counters_disagree") else scope.get("limit"),
        "form": facts.get("form"),
        "mode": facts.get("mode"),
        "measure": measure,
        "window": facts.get("window") or None,
        "scope": scope,
        "who": " and ".join(f"{name} {value.strip() or NOBODY}" for name, value in scope.items()),
        "used": amount_shown(measure, facts.get("used")),
        "held": amount_shown(measure, facts.get("held") or None),
        "amount": amount_shown(measure, facts.get("amount")),
        "percent": _rounded(facts.get("percent")),
        "pace": _rounded(facts.get("pace")),
        "forecast": amount_shown(measure, facts.get("forecast")),
        "forecast_low": amount_shown(measure, facts.get("forecast_low")),
        "forecast_high": amount_shown(measure, facts.get("forecast_high")),
        "probability": _percent(facts.get("probability")),
        "exhausted": moment_shown(facts.get("exhausted")),
        "exhausted_early": moment_shown(facts.get("exhausted_early")),
        "exhausted_late": moment_shown(facts.get("exhausted_late")),
        "actual": facts.get("actual_text"),
        "expected": facts.get("expected_text"),
        "excess": amount_shown("usd", facts.get("excess_nano_usd")),
        "top": list(facts.get("top") or ()),
        "contributors": _contributors(measure, facts.get("contributors")),
        "period_start": moment_shown(finding.period_start),
        "period_end": moment_shown(finding.period_end),
        "began_at": moment_shown(alert.began_at),
        "ended_at": moment_shown(alert.ended_at),
        "acknowledged_by": None if alert.acknowledged_by is None else clean(alert.acknowledged_by),
        "link": facts.get("link"),
        "config_id": scope.get("config"),
        "provider": scope.get("provider"),
        "channel": notification.channel,
        "id": notification.id,
        "alert_id": alert.id,
        "facts": facts,
    }


def amount_shown(measure: object, number: object) -> str | None:
    """A number of a measure for people: dollars to the cent, or to four digits where there is less than one."""
    if not isinstance(number, int) or measure not in MEASURES:
        return None
    if measure != "usd":
        return amount_text(measure, number)
    dollars = Decimal(number) / NANO
    if abs(dollars) >= 1 or not number:
        return f"${dollars:,.2f}"
    whole, _, cents = f"{Decimal(f'{dollars:.4g}'):f}".partition(".")
    return f"${whole}.{cents.rstrip('0').ljust(2, '0')}"


def moment_shown(nanoseconds: int | None) -> str | None:
    """To the minute, in UTC."""
    return f"{datetime.fromtimestamp(nanoseconds // NANO, UTC):%Y-%m-%d %H:%M} UTC" if nanoseconds else None


def _rounded(number: object) -> int | float | None:
    """To one digit behind the point, and without one where that is zero."""
    if not isinstance(number, int | float):
        return None
    rounded = round(float(number), 1)
    return int(rounded) if rounded.is_integer() else rounded


def _percent(share: object) -> int | float | None:
    return _rounded(share * 100) if isinstance(share, int | float) else None


def _contributors(measure: object, rows: object) -> list[dict[str, Any]]:
    found = []
    for row in rows[:MOST_CONTRIBUTORS] if isinstance(rows, Sequence) and not isinstance(rows, str) else ():
        share = row.get("share")
        found.append(
            {
                "dimension": row.get("dimension"),
                "value": row.get("value") or NOBODY,
                "amount": amount_shown(measure, row.get("amount")),
                "share": _rounded(share * 100) if isinstance(share, int | float) else None,
            }
        )
    return found


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(str(name)): _cleaned(each) for name, each in value.items()}
    return [_cleaned(each) for each in value] if isinstance(value, list | tuple) else value
