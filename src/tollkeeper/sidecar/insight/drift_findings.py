"""Bills that do not agree with the ledger, as findings: one for each provider, of the last settled days."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from tollkeeper.insight.reconcile.cell import MEANINGS
from tollkeeper.model.finding import Finding, Severity
from tollkeeper.sidecar.insight.reconciliation import NAME
from tollkeeper.storage.insight.evaluations import Evaluations
from tollkeeper.storage.insight.invoices import day_of

LOOKED_AT: Final = 7
"""Days of which people are told: older ones have been told of, or are to be looked up."""
CRITICAL_SHARE: Final = 0.1
"""From this part of what was billed on, it is critical; so is a ledger that lacks as much."""
SHOWN: Final = 3
NANO: Final = 10**9


def drift_findings(evaluations: Evaluations) -> Callable[[int], Iterator[Finding]]:
    """What the last comparison has found."""

    def found(now: int) -> Iterator[Finding]:
        kept = evaluations.latest(NAME)
        for provider in () if kept is None else kept.body["providers"]:
            days = lately(provider)
            if not days or date.fromisoformat(days[-1]["day"]) < day_of(now) - timedelta(days=3 * LOOKED_AT):
                continue
            if drifts := [one for one in days if one["drifts"]]:
                yield finding_of(provider, drifts)

    return found


def lately(provider: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The last settled days; they are some days behind."""
    days = provider["days"]
    if not days:
        return []
    since = (date.fromisoformat(days[-1]["day"]) - timedelta(days=LOOKED_AT - 1)).isoformat()
    return [one for one in days if one["day"] >= since]


def finding_of(provider: Mapping[str, Any], drifts: list[Mapping[str, Any]]) -> Finding:
    """What there is to tell of a provider's drifting days."""
    name = provider["provider"]
    difference = sum(one["difference_nano_usd"] for one in drifts)
    billed = sum(one["billed_nano_usd"] for one in drifts)
    causes: dict[str, int] = {}
    for one in drifts:
        for kind, amount in one["causes"].items():
            causes[kind] = causes.get(kind, 0) + amount
    weighty = sorted(causes.items(), key=lambda each: -abs(each[1]))
    capture = (provider["capture"] or {}).get("ratio")
    is_large = abs(difference) >= CRITICAL_SHARE * billed or (capture is not None and capture < 1 - CRITICAL_SHARE)
    severity: Severity = "critical" if is_large else "warning"
    facts = {
        "days": [one["day"] for one in drifts],
        "difference_nano_usd": difference,
        "billed_nano_usd": billed,
        "capture_rate": capture,
        "causes": [kind for kind, _ in weighty],
        "title": _title(name, difference),
        "lines": list(_lines(drifts, weighty, capture)),
    }
    return Finding("reconciliation", name, {"provider": name}, severity, facts=facts)


def _title(name: str, difference: int) -> str:
    more = "more" if difference > 0 else "less"
    return f"{name} bills {dollars(abs(difference))} {more} than the ledger has"


def _lines(drifts: list[Mapping[str, Any]], causes: list[tuple[str, int]], capture: float | None) -> Iterator[str]:
    days = f"{drifts[0]['day']} to {drifts[-1]['day']}" if len(drifts) > 1 else drifts[0]["day"]
    yield f"Of {len(drifts)} settled {'days' if len(drifts) > 1 else 'day'}: {days}"
    if capture is not None:
        yield f"The ledger has {capture:.1%} of what was billed."
    for kind, amount in causes[:SHOWN]:
        yield f"{dollars(amount)}: {MEANINGS[kind]}"  # type: ignore[index]


def dollars(nano_usd: int) -> str:
    """To the cent, or to four digits where there is less than a dollar."""
    amount = Decimal(nano_usd) / NANO
    sign = "-" if amount < 0 else ""
    return f"{sign}${abs(amount):,.2f}" if abs(amount) >= 1 else f"{sign}${abs(amount):.4f}"
