"""An anomaly: figures that are far from what was to be expected, and what they are made of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple, get_args

from tollkeeper.insight.series import METRICS, STEPS, Metric, Scope, Step
from tollkeeper.model.finding import SEVERITIES, Severity

AnomalyKind = Literal["spike", "level_shift", "drop", "runaway", "rule"]
ANOMALY_KINDS: tuple[AnomalyKind, ...] = get_args(AnomalyKind)
"""`spike` and `drop` pass, a `level_shift` stays; a `runaway` is told of within minutes, a `rule` is somebody's own."""

_TEXTS = ("dimension", "value")


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

    def document(self) -> dict[str, Any]:
        """What JSON can say of it."""
        return self._asdict()

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Contributor:
        """What `document` said. Raises `ValueError` that names everything that is wrong."""
        wrong = _missing(cls._fields, document)
        wrong += [f"{name} is {document[name]!r}; expected a text" for name in _TEXTS if not _is_text(document, name)]
        whole = [name for name in cls._fields if name not in (*_TEXTS, "share")]
        wrong += [
            f"{name} is {document[name]!r}; expected a whole number" for name in whole if _no_whole(document, name)
        ]
        if _no_number(document.get("share")):
            wrong.append(f"share is {document['share']!r}; expected a number or null")
        _refuse("contributor", wrong)
        return cls(**{name: document[name] for name in cls._fields})


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
            "contributors": [each.document() for each in self.contributors],
        }

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Anomaly:
        """What `document` said. Raises `ValueError` that names everything that is wrong."""
        _refuse("anomaly", _missing(cls._fields, document) or list(_mistakes(document)))
        contributors = tuple(Contributor.read(each) for each in document["contributors"])
        return cls(**{**{name: document[name] for name in cls._fields}, "contributors": contributors})


def _mistakes(document: Mapping[str, Any]) -> Iterable[str]:
    choices: tuple[tuple[str, tuple[str | None, ...]], ...] = (
        ("kind", ANOMALY_KINDS),
        ("metric", METRICS),
        ("step", (*STEPS, None)),
        ("severity", SEVERITIES),
    )
    for name, allowed in choices:
        if document[name] not in allowed:
            yield f"{name} is {document[name]!r}; expected one of {', '.join(str(each) for each in allowed)}"
    for name in ("start", "end", *(("excess_nano_usd",) if document["excess_nano_usd"] is not None else ())):
        if _no_whole(document, name):
            yield f"{name} is {document[name]!r}; expected a whole number"
    for name in ("actual", "expected", "score", "low", "high"):
        if _no_number(document[name]) or (document[name] is None and name not in ("low", "high")):
            yield f"{name} is {document[name]!r}; expected a number"
    if not (document["rule"] is None or _is_text(document, "rule")):
        yield f"rule is {document['rule']!r}; expected a text or null"
    scope = document["scope"]
    if not (isinstance(scope, Mapping) and all(isinstance(each, str) for pair in scope.items() for each in pair)):
        yield f"scope is {scope!r}; expected texts by their names"
    if not isinstance(document["contributors"], list | tuple):
        yield f"contributors is {document['contributors']!r}; expected a list"


def _missing(names: Iterable[str], document: Mapping[str, Any]) -> list[str]:
    return [f"{name} is missing" for name in names if name not in document]


def _is_text(document: Mapping[str, Any], name: str) -> bool:
    return isinstance(document.get(name, ""), str)


def _no_whole(document: Mapping[str, Any], name: str) -> bool:
    value = document.get(name, 0)
    return not isinstance(value, int) or isinstance(value, bool)


def _no_number(value: object) -> bool:
    """Whether it is neither a finite number nor nothing."""
    return value is not None and (
        not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value)
    )


def _refuse(noun: str, wrong: list[str]) -> None:
    if wrong:
        raise ValueError(f"no {noun}: " + "; ".join(wrong))
