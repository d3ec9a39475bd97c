"""What a denied caller reads: which limit, for whom, how much is used, what the call needs, and when there is room."""

from __future__ import annotations

from datetime import UTC, datetime

from tollkeeper.model.decision import Denial, Status
from tollkeeper.model.limit import Limit
from tollkeeper.policy.forms import amount_text, write_form

LONGEST_SHOWN = 200

_WHY = {
    "used_up": "is used up",
    "call_too_large": "has no room for such a call, ever",
    "unbounded": "needs to know the most that a call can use",
    "unpriced": "needs to know what a call costs",
    "unavailable": "cannot be looked up, and says to deny calls then",
    "shed": "is so far used that calls are shed",
    "step": "is so far used that no call is sent",
    "anomaly": "holds: such calls are unusual, and are not sent until that is over",
    "emergency": "holds: this call is not sent until a person ends the emergency",
}


def slug_of(limit: Limit) -> str:
    """How a limit of its kind is usually called: `requests_per_minute`, `usd_per_request`."""
    if limit.measure == "concurrency":
        return "concurrent_requests"
    return f"{limit.measure}_per_{limit.window.unit if limit.window is not None else 'request'}"


def shortened(value: str) -> str:
    """A tag's value as people are told of it: anybody may make one as long as a book."""
    return value if len(value) <= LONGEST_SHOWN else f"{value[:LONGEST_SHOWN]}…"


def whom(status: Status) -> str:
    """` for tenant 'acme' and model 'gpt-4o'`; nothing where the limit is for all."""
    named = [f"{name} {shortened(value)!r}" for name, value in status.scope.items()]
    return f" for {' and '.join(named)}" if named else ""


def message_of(denial: Denial) -> str:
    """The text of the exception."""
    status, limit = denial.status, denial.status.limit
    why = "allows nothing" if denial.reason == "call_too_large" and not limit.amount else _WHY[denial.reason]
    parts = [f"limit {limit.name!r} ({write_form(limit)}){whom(status)} {why}"]
    if denial.reason in ("used_up", "shed", "step"):
        held = f", of which {amount_text(limit.measure, status.held)} by calls under way" if status.held else ""
        parts.append(f"used {amount_text(limit.measure, status.used)}{held}")
    if denial.estimate is not None:
        parts.append(f"this call may take {amount_text(limit.measure, denial.estimate)}")
    if denial.reason == "unpriced":
        parts.append("give the model a price with instrument(prices=…), or in the sidecar with `tollkeeper prices add`")
    if denial.detail is not None:
        parts.append(denial.detail)
    if status.resets_at is not None and denial.reason in ("used_up", "shed", "step"):
        parts.append(f"resets at {datetime.fromtimestamp(status.resets_at // 10**9, UTC):%Y-%m-%dT%H:%M:%SZ}")
    return "; ".join(parts)
