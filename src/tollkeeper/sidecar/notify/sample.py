"""An alert that never was: to try a channel with, and to show what templates make of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

from tollkeeper.alerting.channel import Channel
from tollkeeper.model.alert import Alert, Event, Notification
from tollkeeper.model.finding import FINDING_KINDS, Finding, FindingKind, Severity, worse_than
from tollkeeper.sidecar.notify.payload import NANO

MINUTE: Final = 60 * NANO
DAY: Final = 24 * 60 * MINUTE
PERCENT: Final[Mapping[Severity, tuple[int, int]]] = {
    "info": (55, 50), "warning": (85, 80), "critical": (97, 95), "emergency": (97, 95),
}  # fmt: skip
"""So much is used, and the threshold that was reached with it."""
USUAL: Final[Severity] = "warning"


def sample_notification(channel: Channel, now: int, event: Event = "fired", suffix: str = "") -> Notification:
    """What a channel would be told of a tenant that has used most of ten dollars a day, now (nanoseconds).

    It is one that the channel asks for, by its severity and `only`, as far as globs say which: else of another kind,
    or about somebody else. `suffix` tells one try from another: what is fired and resolved with the same one is one
    alert.
    """
    severity: Severity = channel.at_least if worse_than(channel.at_least, USUAL) else USUAL
    kind = _kind(channel.only.get("kind", ()), severity)
    used, level = PERCENT[severity]
    start = now - now % DAY
    subject = _named(channel.only.get("limit", ()), "example")
    about = {name: globs for name, globs in channel.only.items() if name not in ("kind", "limit")}
    scope = {name: _named(globs, "acme") for name, globs in (about or {"tenant": ()}).items()}
    if kind == "limit":
        finding = Finding(kind, subject, scope, severity, level, start, start + DAY, _facts(used, level))
    else:
        finding = Finding(kind, subject, scope if about else {}, severity)
    alert = Alert(
        id=f"example{suffix}",
        finding=finding,
        began_at=now - MINUTE,
        seen_at=now,
        ended_at=now if event == "resolved" else None,
    )
    return Notification(f"example{suffix}-{event}", channel.name, event, alert, now)


def _facts(percent: int, level: int) -> Mapping[str, Any]:
    used = percent * NANO // 10
    larger = used * 72 // 100
    return {
        "measure": "usd",
        "amount": 10 * NANO,
        "used": used,
        "held": 200_000_000,
        "percent": float(percent),
        "form": "$10 / day per tenant",
        "mode": "hard",
        "window": "day",
        "pace": 1.7,
        "forecast": 17 * NANO,
        "contributors": [
            {"dimension": "model", "value": "gpt-4o", "amount": larger, "share": 0.72},
            {"dimension": "model", "value": "gpt-4o-mini", "amount": used - larger, "share": 0.28},
        ],
        "threshold": level,
    }


def _kind(globs: Sequence[str], severity: Severity) -> FindingKind:
    usual: FindingKind = "emergency" if severity == "emergency" else "limit"
    told: list[FindingKind] = [kind for kind in FINDING_KINDS if any(fnmatchcase(kind, glob) for glob in globs)]
    return usual if usual in told or not told else told[0]


def _named(globs: Sequence[str], usual: str) -> str:
    """A name that is meant by these globs, if it is easily found."""
    if not globs or any(fnmatchcase(usual, glob) for glob in globs):
        return usual
    names = [glob.replace("*", "").replace("?", "x") for glob in globs]
    return next((name for name, glob in zip(names, globs, strict=True) if name and fnmatchcase(name, glob)), usual)
