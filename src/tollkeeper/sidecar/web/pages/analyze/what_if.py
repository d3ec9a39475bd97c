"""What a past period would have cost: with other models, in another tier, or with more from a cache."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple, get_args

from starlette.responses import Response

from tollkeeper.client import ApiError
from tollkeeper.client.advice import Otherwise, Tier
from tollkeeper.sidecar.web.filters import RANGE_WORDS
from tollkeeper.sidecar.web.pages.analyze.tabs import PATH, TABS
from tollkeeper.sidecar.web.routes import Show
from tollkeeper.sidecar.web.view import View

WHERE = f"{PATH}/what-if"
SWAPS = 3
"""Models that can be named at once."""
SWAPPED = tuple(f"to{n}" for n in range(1, SWAPS + 1))
USUAL_RANGE = "7d"
"""A week is priced in seconds; longer ranges are a choice."""
TIERS: Mapping[Tier, str] = {
    "standard": "Standard", "batch": "Batch", "flex": "Flex", "priority": "Priority",
}  # fmt: skip
MOST_OPTIONS = 200


class Form(NamedTuple):
    """What the form says. `kept` is what else is in the URL and stays there: the filters."""

    swaps: list[tuple[str, str]]
    tier: str
    cache: str
    range: str
    ranges: list[tuple[str, str]]
    kept: list[tuple[str, str]]

    @property
    def is_filled(self) -> bool:
        return bool(self.tier or self.cache or any(first or second for first, second in self.swaps))


def form_of(view: View) -> Form:
    """Of the URL."""
    filters, said = view.filters, view.filters.others
    is_asked = "range" in view.request.query_params or filters.custom is not None
    kept = [("zone", filters.zone_name)] if filters.zone_name != "UTC" else []
    if filters.custom is not None:
        kept += [("start", filters.custom.first.isoformat()), ("end", filters.custom.last.isoformat())]
    return Form(
        [(said.get(f"from{n}", ""), said.get(f"to{n}", "")) for n in range(1, SWAPS + 1)],
        said.get("tier", ""),
        said.get("cache", ""),
        filters.range if is_asked else USUAL_RANGE,
        [(name, words) for name, words in RANGE_WORDS.items() if name != "custom" or filters.custom is not None],
        [*kept, *filters.wanted.items()],
    )


async def what_if(view: View) -> Response:
    """The form, and what would have been as it says. It may take minutes: a million calls are priced anew."""
    form = form_of(view)
    result: Otherwise | None = None
    error, wrong = None, None
    if form.is_filled:
        try:
            result = await view.api.what_if(**_supposed(form), **view.filters.asked())
        except Unclear as unclear:
            error, wrong = str(unclear), unclear.field
        except ApiError as refused:
            if refused.status not in (400, 422):
                raise
            error, wrong = refused.message, refused.field
    return view.page(
        "analyze_what_if.html", 422 if error else 200, title="What if", tabs=TABS, tab="forecast", what_if=form,
        result=result, error=error, wrong=wrong,
    )  # fmt: skip


class Unclear(ValueError):
    """Something in the form makes no sense, in this field."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def _supposed(form: Form) -> dict[str, Any]:
    """As arguments of the client. Raises `Unclear`."""
    halves = [pair for pair in form.swaps if any(pair) and not all(pair)]
    if halves:
        raise Unclear("models", f"{''.join(halves[0])!r} stands alone; expected a model, and the one asked instead")
    cache_hit = None
    if form.cache:
        try:
            cache_hit = Decimal(form.cache) / 100
        except InvalidOperation:
            raise Unclear("cache_hit", f"{form.cache!r} is no share; expected a number from 0 to 100") from None
    models = {first: second for first, second in form.swaps if first}
    tier = next((each for each in get_args(Tier) if each == form.tier), None)
    return {"models": models or None, "tier": tier, "cache_hit": cache_hit}


async def models(view: View) -> Response:
    """Models that have a price and such a part in their names, those that were asked lately first: to choose from."""
    typed = next((view.filters.others[name] for name in SWAPPED if name in view.filters.others), None)
    found = await view.api.model_prices(search=typed, limit=MOST_OPTIONS)
    used = [each.model for each in found.models if each.calls]
    others = [f"{each.provider}/{each.model}" for each in found.models]
    return view.page("parts/options.html", values=list(dict.fromkeys([*used, *others])))


ROUTES = (Show(WHERE, what_if), Show(f"{PATH}/models", models))
