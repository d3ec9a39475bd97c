"""How providers and models do, with each other and against what is expected of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, Literal, NamedTuple, get_args

from starlette.responses import Response

from tollkeeper.client import ApiError, Invalid
from tollkeeper.client.observing import ComparedMeasure, Comparison, HealthOf, Measure, ProviderHealth, Window
from tollkeeper.sidecar.web.formats import Formats
from tollkeeper.sidecar.web.pages.analyze.files import health_file
from tollkeeper.sidecar.web.pages.analyze.scatter import Point, Scatter, scatter
from tollkeeper.sidecar.web.pages.analyze.tabs import PATH, TABS, Choice, one_of
from tollkeeper.sidecar.web.routes import Change, Show
from tollkeeper.sidecar.web.view import Missing, View

Level = Literal["models", "providers", "tiers"]

WINDOWS: Mapping[Window, str] = {"5m": "5 minutes", "1h": "1 hour", "24h": "24 hours", "7d": "7 days"}
LEVELS: Mapping[Level, str] = {"models": "Models", "providers": "Providers", "tiers": "Service tiers"}
MEASURES: Mapping[Measure, str] = {
    "success_rate": "Success", "rate_limited_share": "Rate limited (429)", "latency_p50": "Latency, p50",
    "latency_p95": "Latency, p95", "latency_p99": "Latency, p99", "first_chunk_p50": "First chunk, p50",
    "first_chunk_p95": "First chunk, p95", "first_chunk_p99": "First chunk, p99",
    "output_tokens_per_second": "Tokens a second", "streamed_tokens_per_second": "Tokens a second, streamed",
    "usd_per_1k_tokens": "Cost per 1,000 tokens", "usd_per_answer": "Cost of an answer",
}  # fmt: skip
VERDICTS = {"better": "better", "as_said": "as expected", "worse": "worse", "unknown": "too few calls to say"}
WHERE = f"{PATH}?tab=providers"
FILE = f"{PATH}/providers.csv"


class Compared(NamedTuple):
    """One measure of one provider or model, that has something to be compared with."""

    name: str
    measure: Measure
    found: ComparedMeasure


async def providers(view: View) -> Response:
    """The tab."""
    return await _page(view)


async def _page(view: View, status: int = 200, error: str | None = None, wrong: str | None = None) -> Response:
    said = view.filters.others
    window = one_of(get_args(Window), said.get("window"), "24h")
    level = one_of(get_args(Level), said.get("of"), "models")
    provider = view.filters.scope.get("provider") or None
    parts = await view.together(
        health=view.api.provider_health(window=window, provider=provider),
        comparison=view.api.provider_comparison(window=window, provider=provider),
        benchmarks=view.api.benchmarks(),
    )
    health = parts["health"]
    shown: Sequence[HealthOf] = [] if isinstance(health, Missing) else getattr(health, level)
    return view.page(
        "analyze_providers.html", status, title="Analyze", tabs=TABS, tab="providers", live=True, **parts, shown=shown,
        level=level, window_words=WINDOWS[window],
        name_of=name_of, measured=partial(measured, view.formats), plot=plot(shown), measures=MEASURES,
        expected=list(expectations(parts["comparison"], level)), verdicts=VERDICTS, error=error, wrong=wrong,
        csv=view.filters.link(FILE),
        choices=[
            Choice("window", "Over the last", list(WINDOWS.items()), window),
            Choice("of", "Show", list(LEVELS.items()), level),
        ], names=_names(health),
    )  # fmt: skip


def name_of(one: Any) -> str:
    """Provider, model and tier, as far as it is about them."""
    told = [one.provider] if one.model is None else [one.model]
    tier = getattr(one, "tier", None)
    return " ".join([*told, *([f"({tier})"] if tier else [])])


def measured(formats: Formats, measure: Measure, value: Decimal | float | None) -> str:
    """A measure in its unit."""
    if value is None:
        return formats.percent(None)
    if measure.startswith("usd"):
        return formats.usd(Decimal(str(value)))
    if measure.endswith(("rate", "share")):
        return formats.percent(value, 2)
    return formats.decimal(value, 1) if measure.endswith("per_second") else formats.seconds(value)


def plot(shown: Sequence[HealthOf]) -> Scatter:
    """What an answer costs against how long it takes, of those of which both are known."""
    return scatter(
        Point(name_of(each), each.latency.p50, each.cost_per_answer, each.calls)
        for each in shown
        if each.latency.p50 is not None and each.cost_per_answer is not None
    )


def expectations(comparison: Comparison | Missing, level: Level) -> Iterator[Compared]:
    """What was measured where something is expected, the worse first."""
    if isinstance(comparison, Missing):
        return
    found = [
        Compared(name_of(one), each.measure, each)
        for one in (*comparison.providers, *comparison.models)
        for each in one.measures
        if each.benchmark is not None
    ]
    yield from sorted(found, key=lambda each: list(VERDICTS).index(each.found.verdict) != 2)


def _names(health: ProviderHealth | Missing) -> dict[str, list[str]]:
    """What can be expected of something: the providers and models that there were."""
    if isinstance(health, Missing):
        return {"provider": [], "model": []}
    return {
        "provider": sorted({each.provider for each in health.providers}),
        "model": sorted({each.model for each in health.models if each.model}),
    }


async def expect(view: View) -> Response:
    """Set a benchmark; what is wrong with it is said beside its field."""
    measure = one_of(get_args(Measure), view.field("measure"), "success_rate")
    try:
        value = Decimal(view.field("value"))
        done = await view.api.set_benchmark(
            view.field("provider"), measure, value, source=view.field("source"), model=view.field("model") or None,
            reason=view.field("reason") or None,
        )  # fmt: skip
    except ArithmeticError:
        return await _page(view, 422, f"{view.field('value')!r} is no number; expected one such as 0.99", "value")
    except Invalid as error:
        return await _page(view, 422, error.message, error.field)
    return view.done(WHERE, f"{name_of(done)} is now expected to have {MEASURES[done.measure].lower()} {done.value}.")


async def forget(view: View) -> Response:
    """Remove a benchmark."""
    measure = one_of(get_args(Measure), view.field("measure"), "success_rate")
    try:
        await view.api.remove_benchmark(view.field("provider"), measure, model=view.field("model") or None)
    except ApiError as error:
        return await _page(view, error.status or 503, error.message)
    return view.done(WHERE, "The benchmark was removed.")


ROUTES = (
    Show(FILE, health_file),
    Change(f"{PATH}/benchmarks", expect, "edit"),
    Change(f"{PATH}/benchmarks/remove", forget, "edit"),
)
