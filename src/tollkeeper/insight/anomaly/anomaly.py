"""An anomaly: figures that are far from what was to be expected, and what they are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

from tollkeeper.insight.series import Metric, Scope, Step
from tollkeeper.model.finding import Severity

AnomalyKind = Literal["spike", "level_shift", "drop", "runaway", "rule"]
ANOMALY_KINDS: tuple[AnomalyKind, ...] = get_args(AnomalyKind)
"""`spike` and `drop` pass, a `level_shift` stays; a `runaway` is told of within minutes, a `rule` is somebody's own."""


class Contributor(NamedTuple):
    """One part of an anomaly's excess: of which model, user, feature or service it is, and what changed there.

    Money is in nano-dollars. `more_calls`, `bigger_calls` (tokens for each) and `dearer_tokens` (their price, as of
    another model) add up to `excess_nano_usd` exactly; any of them may be below zero. `share` is the part of the whole
    excess; `None` where there is none.
    """

    dimension: str
    value: str
    actual_nano_usd: int
    expected_nano_usd: int
    excess_nano_usd: int
    share: float | None
    more_calls: int
    bigger_calls: int
    dearer_tokens: int


class Anomaly(NamedTuple):
    """Figures that are far from what was to be expected.

    `start` and `end` are nanoseconds since the epoch; `step` is how long the intervals are that were compared, `None`
    where they are none of a calendar. Of an anomaly of several intervals, `actual`, `expected`, `low`, `high` and
    `score` are those of the worst, in the metric's unit (spend in nano-dollars); `low` to `high` is what would have
    been usual; a bound is `None` where there is none. `score` is the distance in (robust) standard deviations of the
    logarithm, below 0 for too little; of a rule, what it says. `excess_nano_usd` is what was spent above what was
    expected in all of its intervals; `None` where the metric is no money. `rule` is the name of a rule that found it.
    """

    kind: AnomalyKind
    metric: Metric
    scope: Scope
    step: Step | None
    start: int
    end: int
    actual: float
    expected: float
    low: float | None
    high: float | None
    score: float
    excess_nano_usd: int | None
    severity: Severity
    rule: str | None = None
    contributors: tuple[Contributor, ...] = ()

    def document(self) -> dict[str, Any]:
        """What JSON can say of it."""
        return {
            **self._asdict(),
            "scope": dict(self.scope),
            "contributors": [each._asdict() for each in self.contributors],
        }

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Anomaly:
        """One that said so of itself."""
        return cls(**{**document, "contributors": tuple(Contributor(**each) for each in document["contributors"])})
