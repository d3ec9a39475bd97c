"""What nobody is told of for now: what somebody has silenced, and what is known from something worse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

from tollkeeper.model.alert import Alert
from tollkeeper.model.finding import Finding, worse_than

ANYTHING = ("kind", "limit", "severity")
"""What a silence may ask for, besides the names of scopes."""


class Silence(NamedTuple):
    """Nobody is told of what matches, from one moment to another (not included). Globs, by the fields of findings."""

    id: int
    match: Mapping[str, tuple[str, ...]]
    starts_at: int
    ends_at: int
    author: str
    comment: str

    def mutes(self, finding: Finding, now: int) -> bool:
        """Whether it holds now, and means this."""
        said = {**finding.scope, "kind": finding.kind, "limit": finding.subject, "severity": finding.severity}
        return self.starts_at <= now < self.ends_at and all(
            any(fnmatchcase(said.get(name, ""), glob) for glob in globs) for name, globs in self.match.items()
        )


def inhibited(alert: Alert, firing: Iterable[Alert]) -> bool:
    """While there is an emergency, limits that fill are no news, unless they are critical."""
    finding = alert.finding
    if finding.kind != "limit" or not worse_than("critical", finding.severity):
        return False
    return any(other.finding.kind == "emergency" for other in firing)


def muted(alerts: Iterable[Alert], silences: Iterable[Silence], now: int) -> set[str]:
    """The ids of the alerts that nobody is told of now."""
    all_alerts, all_silences = list(alerts), list(silences)
    firing = [alert for alert in all_alerts if alert.is_firing]
    return {
        alert.id
        for alert in all_alerts
        if any(silence.mutes(alert.finding, now) for silence in all_silences) or inhibited(alert, firing)
    }
