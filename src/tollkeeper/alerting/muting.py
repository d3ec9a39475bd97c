"""What nobody is told of for now: what somebody has silenced, and what is known from something worse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

from tollkeeper.model.alert import Alert
from tollkeeper.model.finding import FINDING_KINDS, SEVERITIES, Finding, worse_than
from tollkeeper.model.limit import PER
from tollkeeper.policy.mistakes import nearest

SELECTORS = ("kind", "limit", "severity", *PER)
"""What a silence may ask for."""
LONGEST_SECONDS = 366 * 86_400
"""The longest silence. What nobody should ever be told of is left out of a channel."""
_KNOWN = {"kind": FINDING_KINDS, "severity": SEVERITIES}


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
        said = {**finding.said, "severity": finding.severity}
        return self.starts_at <= now < self.ends_at and all(
            any(fnmatchcase(said.get(name, ""), glob) for glob in globs) for name, globs in self.match.items()
        )


def match_of(said: Mapping[str, str | list[str]]) -> Mapping[str, tuple[str, ...]]:
    """What a silence means, as people write it: a glob by each name, or a list of them.

    Raises `ValueError` that tells all that is wrong with it, a line each.
    """
    match = {name: (globs,) if isinstance(globs, str) else tuple(globs) for name, globs in said.items()}
    mistakes = [] if match else [f"there is nothing in it; expected at least one of {', '.join(SELECTORS)}"]
    for name, globs in match.items():
        known = _KNOWN.get(name)
        if name not in SELECTORS:
            mistakes.append(f"{name!r} is no selector; {nearest(name, SELECTORS)}")
        elif not globs or not all(glob and glob.isprintable() for glob in globs):
            mistakes.append(f'{name}: expected a glob such as "gpt-4*", or a list of them')
        elif known is not None:
            strange = [glob for glob in globs if not any(fnmatchcase(each, glob) for each in known)]
            mistakes += [f"{name} is {glob!r}; expected one of {', '.join(known)}" for glob in strange]
    if mistakes:
        raise ValueError("\n".join(mistakes))
    return match


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
