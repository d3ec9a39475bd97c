"""How far from the usual figures have to be before anybody is told, and how long they may stay there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tollkeeper.insight.series import Metric, Step

_LEAST_A_DAY: Final[Mapping[Metric, float]] = {
    "spend": 5e9,
    "tokens": 200_000,
    "requests": 50,
    "error_rate": 0.05,
    "latency": 0.2,
    "tokens_per_request": 50,
    "cost_per_request": 50_000,
}
AN_HOURS_PART: Final = 0.2
"""The least excess of an hour is so great a part of a day's, where the metric adds up."""


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What is told. Scores are distances in standard deviations of the logarithm, as `Anomaly.score`.

    `day`, `hour`: from which score on too much is an anomaly. `lower`: how much further away too little has to be.
    `twice`: so great a part of that is enough two intervals running.
    `continues`: down to which part of that an anomaly goes on. `least`: the least excess of a day, in the metric's
    unit, for those that add up `AN_HOURS_PART` of it of an hour. `least_sd`: noise of the logarithm is taken to be no
    smaller, so that a flat series does not cry at a few percent. `least_calls`: an interval with fewer says nothing of
    a rate or a mean. `earliest_days`: none is judged before so many days with calls. `adopted_after`: a level that has
    stayed so many days is the new baseline. `cooldown_hours`, `cooldown_days`: what begins again so soon after it ended
    is the same anomaly.
    """

    day: float = 2.9
    hour: float = 3.4
    twice: float = 0.75
    lower: float = 1.0
    continues: float = 0.6
    least: Mapping[Metric, float] = field(default_factory=lambda: _LEAST_A_DAY)
    least_sd: float = 0.1
    least_calls: int = 20
    earliest_days: int = 4
    adopted_after: int = 3
    cooldown_hours: int = 3
    cooldown_days: int = 1

    def __post_init__(self) -> None:
        wrong = [
            f"{name} is {value!r}; expected more than 0"
            for name in ("day", "hour", "twice", "continues", "least_sd", "earliest_days", "adopted_after")
            if not (value := getattr(self, name)) > 0
        ]
        wrong += [
            f"{name} is {value!r}; expected at least 0"
            for name in ("lower", "least_calls", "cooldown_hours", "cooldown_days")
            if not (value := getattr(self, name)) >= 0
        ]
        wrong += [
            f"{name} is {value!r}; expected at most 1"
            for name in ("twice", "continues")
            if (value := getattr(self, name)) > 1
        ]
        wrong += [f"least[{name}] is {value!r}; expected at least 0" for name, value in self.least.items() if value < 0]
        if wrong:
            raise ValueError("no sensitivity: " + "; ".join(wrong))

    def begins(self, step: Step) -> float:
        """From which score on too much is an anomaly."""
        return self.day if step == "day" else self.hour

    def least_excess(self, metric: Metric, step: Step) -> float:
        """The least that is worth telling, in the metric's unit."""
        least = self.least.get(metric, _LEAST_A_DAY[metric])
        adds_up = metric in ("spend", "tokens", "requests")
        return least * (AN_HOURS_PART if step == "hour" and adds_up else 1)

    def cooldown(self, step: Step) -> int:
        """For how many intervals an anomaly that ended may go on again."""
        return self.cooldown_days if step == "day" else self.cooldown_hours


USUAL: Final = Sensitivity()
"""Where nobody said anything else."""
