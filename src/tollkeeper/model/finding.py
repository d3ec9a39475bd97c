"""What somebody should know: a limit that fills, a model without a price, an emergency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

Severity = Literal["info", "warning", "critical", "emergency"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""The milder first."""

FindingKind = Literal[
    "limit", "forecast", "emergency", "anomaly", "error_budget", "reconciliation", "unpriced_model", "stale_prices",
    "counters_disagree", "rule", "digest",
]  # fmt: skip
FINDING_KINDS: tuple[FindingKind, ...] = tuple(kind for kind in get_args(FindingKind) if kind != "digest")
"""But a digest: that is no alert, and only goes the way that alerts do."""


Identity = tuple[str, str, tuple[tuple[str, str], ...], int]
"""The same for as long as it is the same thing that somebody was told of."""
Unseen = frozenset[tuple[str, str | None]]
"""Kinds of findings and their subjects that could not be looked for; `None` is all subjects."""


class Finding(NamedTuple):
    """Something that holds at this moment. Kind, subject, scope and period are what it is; the rest is how it stands.

    `subject` is the name of a limit, of a model, or of a rule of Prometheus (of kind `rule` is what an Alertmanager has
    told of); of an anomaly, what is unusual, such as `hourly spend`, or the name of one's own rule. `period_start` and
    `period_end` are nanoseconds since the epoch; 0 where there is no period. `level` is the highest threshold that is
    reached, in percent; 0 where there are none. `facts` are what JSON can say: figures for people, and for those who
    write templates.
    """

    kind: FindingKind
    subject: str
    scope: Mapping[str, str]
    severity: Severity
    level: int = 0
    period_start: int = 0
    period_end: int = 0
    facts: Mapping[str, Any] = {}

    @property
    def identity(self) -> Identity:
        """The same for as long as it is the same thing that somebody was told of."""
        return self.kind, self.subject, tuple(sorted(self.scope.items())), self.period_start

    @property
    def said(self) -> Mapping[str, str]:
        """What channels and silences choose by: its kind, its limit (of a model, its name), and whose it is."""
        return {"limit": self.subject, **self.scope, "kind": self.kind}


def worse_than(one: Severity, other: Severity) -> bool:
    """Whether it is the more severe."""
    return SEVERITIES.index(one) > SEVERITIES.index(other)


WARNING, CRITICAL = 80, 95
"""From which percentages of a limit on its filling is so severe."""


def severity_at(percent: int) -> Severity:
    """How severe it is that a limit has come to that percentage."""
    return "critical" if percent >= CRITICAL else "warning" if percent >= WARNING else "info"
