"""The figures that spend can be looked at by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from tollkeeper.sidecar.web.charts import Number, Unit

MetricName = Literal["cost", "calls", "tokens", "input", "output", "failed", "average"]


class Metric(NamedTuple):
    """A figure to look at. `field` is its name in sums; `total` in the sums of the whole range."""

    words: str
    unit: Unit
    field: str
    total: str
    adds_up: bool = True

    def of(self, sums: Any) -> Number | None:
        found: Number | None = getattr(sums, self.field)
        return found


METRICS: Mapping[MetricName, Metric] = {
    "cost": Metric("Cost", "usd", "cost", "total_cost"),
    "calls": Metric("Calls", "count", "calls", "total_calls"),
    "tokens": Metric("Tokens", "tokens", "tokens", "total_tokens"),
    "input": Metric("Input tokens", "tokens", "prompt_tokens", "total_prompt_tokens"),
    "output": Metric("Output tokens", "tokens", "completion_tokens", "total_completion_tokens"),
    "failed": Metric("Failed calls", "count", "failed_calls", "failed_calls"),
    "average": Metric("Average cost of a call", "usd", "average_cost", "average_cost", adds_up=False),
}
