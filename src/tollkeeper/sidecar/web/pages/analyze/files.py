"""Files of what the tabs show that the API has no table of."""

from __future__ import annotations

from itertools import chain
from typing import get_args

from starlette.responses import Response

from tollkeeper.client.observing import Window
from tollkeeper.sidecar.api.answer import table
from tollkeeper.sidecar.web.charts import Chart
from tollkeeper.sidecar.web.pages.analyze.tabs import one_of
from tollkeeper.sidecar.web.view import View

HEALTH = (
    "provider", "model", "tier", "calls", "answered_calls", "failed_calls", "success_rate", "rate_limited_share",
    "output_tokens_per_second", "streamed_tokens_per_second", "cost", "cost_per_1k_tokens", "cost_per_answer",
    "unpriced_calls",
)  # fmt: skip
QUANTILES = ("p50", "p95", "p99")


def chart_file(name: str, chart: Chart) -> Response:
    """The figures of a chart: a row for each moment."""
    band = chart.band
    ends = [] if band is None else [(f"{band.label}, from", band.low), (f"{band.label}, to", band.high)]
    lines = [*((line.label, line.values) for line in chart.lines), *ends]
    rows = ([at, *(values[n] for _, values in lines)] for n, at in enumerate(chart.moments))
    return table(name, ["at", *(label for label, _ in lines)], rows, {})


async def health_file(view: View) -> Response:
    """How everybody does: providers, then models, then tiers; times in seconds."""
    window = one_of(get_args(Window), view.filters.others.get("window"), "24h")
    found = await view.api.provider_health(window=window, provider=view.filters.scope.get("provider") or None)
    latencies = [f"{what}_{each}" for what in ("latency", "first_chunk") for each in QUANTILES]
    rows = (
        [
            *(getattr(one, name) for name in HEALTH),
            *(getattr(spread, each) for spread in (one.latency, one.first_chunk) for each in QUANTILES),
        ]
        for one in chain(found.providers, found.models, found.tiers)
    )
    return table("providers", [*HEALTH, *latencies], rows, {})
