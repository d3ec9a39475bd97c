"""What a policy says of anomalies: rules of one's own, what is done when one holds, and how the built-in ones look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, get_args

from tollkeeper.model.finding import Severity
from tollkeeper.model.limit import EVERY_CALL, Match, Per

RuleType = Literal["z_score", "threshold", "ratio"]
RULE_TYPES: tuple[RuleType, ...] = get_args(RuleType)

RuleMetric = Literal[
    "spend", "tokens", "requests", "error_rate", "latency", "tokens_per_request", "cost_per_request",
    "spend_per_hour", "tokens_per_hour", "requests_per_hour",
]  # fmt: skip
"""Those of insight, and what adds up for each hour of the window. `spend` is in dollars, `latency` in seconds."""
RULE_METRICS: tuple[RuleMetric, ...] = get_args(RuleMetric)
MONEY: tuple[RuleMetric, ...] = ("spend", "cost_per_request", "spend_per_hour")

Detector = Literal["hourly", "daily", "runaway"]
"""The built-in ones: each hour and each day against the hours and days before, and the last minutes."""
DETECTORS: tuple[Detector, ...] = get_args(Detector)

Z_SCORE, Z_HOURS = Decimal(2), 24
"""Of a plain z-score: how many standard deviations from the mean of how many hours."""
COOLDOWN_SECONDS = 3600
BASELINE_DAYS = 7


@dataclass(frozen=True, slots=True)
class Response:
    """What is done while a rule holds.

    `emergency` begins one, which a person ends. `ladder` is a limit's name: its steps up to `at` percent hold for the
    calls that the finding is about, until it is over.
    """

    emergency: bool = False
    ladder: str | None = None
    at: int = 0


@dataclass(frozen=True, slots=True)
class AnomalyRule:
    """Something that is told of when it holds, for each combination of what `per` names.

    `threshold` is compared, of type `threshold`, with the metric over the last `window_seconds`; of `ratio`, with how
    many times that is of what the same window had on the `baseline_days` days before (the median); of `z_score`, with
    how many standard deviations the last whole hour is above the mean of the hours of the window.
    `severities`: from which value on it is so severe; before the first it is a `warning`. Nothing is found where less
    than `floor_nano_usd` was spent in the window. One that begins again within the cooldown is still the same.
    """

    name: str
    metric: RuleMetric
    type: RuleType = "z_score"
    threshold: Decimal = Z_SCORE
    window_seconds: int = Z_HOURS * 3600
    baseline_days: int = BASELINE_DAYS
    match: Match = EVERY_CALL
    per: tuple[Per, ...] = ()
    severities: Mapping[Severity, Decimal] = field(default_factory=dict)
    cooldown_seconds: int = COOLDOWN_SECONDS
    floor_nano_usd: int = 0
    respond: Response | None = None


@dataclass(frozen=True, slots=True)
class Detection:
    """How built-in detectors look, where all that is said here is met; an empty choice is met by all.

    `scopes`: names of what they look at, such as `tenant`; `total` is everybody. `deviations`: how many (robust)
    standard deviations are too many. `floor_nano_usd`: how much money must be at stake.
    """

    detectors: tuple[Detector, ...] = ()
    metrics: tuple[RuleMetric, ...] = ()
    scopes: tuple[str, ...] = ()
    enabled: bool = True
    deviations: Decimal | None = None
    floor_nano_usd: int | None = None

    def means(self, detector: Detector, metric: str, scope: str) -> bool:
        """Whether it says something of these. `scope` is a name, or `total`."""
        return (
            (not self.detectors or detector in self.detectors)
            and (not self.metrics or metric in self.metrics)
            and (not self.scopes or scope in self.scopes)
        )
