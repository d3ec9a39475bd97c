"""What could be cheaper, by how much and how surely; what was decided, and what it has saved since."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator, Mapping
from decimal import Decimal
from typing import Any, get_args

from starlette.responses import Response

from tollkeeper.client import Invalid, Outdated
from tollkeeper.client.advice import AdviceKind, AdviceState, RecommendationDetail
from tollkeeper.sidecar.web.filters import Filters
from tollkeeper.sidecar.web.formats import Formats
from tollkeeper.sidecar.web.pages.analyze import what_if
from tollkeeper.sidecar.web.pages.analyze.tabs import PATH, TABS, Choice, one_of, to_one
from tollkeeper.sidecar.web.routes import Change, Show
from tollkeeper.sidecar.web.view import View

WHERE = f"{PATH}/recommendations"
LIST = f"{PATH}?tab=recommendations"
STATES: Mapping[AdviceState, str] = {
    "open": "Open", "accepted": "Accepted", "dismissed": "Dismissed", "gone": "Not given any more",
}  # fmt: skip
KINDS: Mapping[AdviceKind, str] = {
    "cheaper_model": "Cheaper model", "prompt_caching": "Prompt caching", "batch": "Batch", "flex": "Flex tier",
    "max_tokens": "Output limit", "duplicate_prompts": "Repeated prompts", "budget": "Budget",
    "price_missing": "Price missing", "price_differs": "Price differs", "failed_calls": "Failed calls",
}  # fmt: skip
VERDICTS = {
    "too_early": "too early to say", "not_followed": "not followed yet", "saved": "saves", "costs_more": "costs more",
    "unclear": "unclear", "not_measured": "not measured",
}  # fmt: skip
MEANS = {"policy": "Policy file", "code": "Code", "command": "Command"}
NANO = Decimal(10) ** 9
IN_MEASURE = ("amount", "highest_use", "median_use", "proposed_amount")
"""Evidence of budgets: in nano-dollars where the limit is of dollars."""


async def recommendations(view: View) -> Response:
    """The tab."""
    if one := to_one(view.filters, WHERE):
        return one
    said = view.filters.others
    state = one_of(get_args(AdviceState), said.get("state"), "open")
    kind = next((each for each in KINDS if each == said.get("kind")), None)
    parts = await view.together(advice=view.api.recommendations(state=state, kind=kind))
    return view.page(
        "analyze_recommendations.html", title="Analyze", tabs=TABS, tab="recommendations", state=state, kinds=KINDS,
        verdicts=VERDICTS, **parts, choices=[
            Choice("state", "State", list(STATES.items()), state),
            Choice("kind", "Kind", [("", "Any"), *KINDS.items()], kind or ""),
        ],
    )  # fmt: skip


async def recommendation(view: View) -> Response:
    """One of them: a page, or a drawer in the list."""
    return await _one(view)


async def _one(view: View, status: int = 200, error: str | None = None) -> Response:
    found = await view.api.recommendation(view.request.path_params["id"])
    template = "parts/advice_drawer.html" if view.is_part else "analyze_advice.html"
    return view.page(
        template, status, title=found.title, found=found, evidence=list(evidence(view.formats, found.evidence)),
        states=STATES, kinds=KINDS, verdicts=VERDICTS, means=MEANS, where=WHERE, error=error,
        supposed=_supposed(found),
    )  # fmt: skip


def evidence(formats: Formats, told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Figures by their names, as text. What is not known, and what is for programs, is left out."""
    is_usd = told.get("measure") == "usd"
    for name, value in told.items():
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            for each in value:
                yield _spaced(name), ", ".join(f"{said} {text}" for said, text in evidence(formats, each))
        elif value is not None and not isinstance(value, Mapping):
            yield _spaced(name), _figure(formats, name, value, is_usd and name in IN_MEASURE)


def _spaced(name: str) -> str:
    words = name.replace("nano_usd", "").replace("percent", "").strip("_").replace("__", "_")
    return words.replace("_", " ").capitalize()


def _figure(formats: Formats, name: str, value: Any, is_nano_usd: bool) -> str:
    if isinstance(value, list):
        return " to ".join(_figure(formats, name, each, is_nano_usd) for each in value)
    if isinstance(value, str | bool):
        return str(value)
    if is_nano_usd or "nano_usd" in name:
        return formats.usd(Decimal(value) / NANO)
    return f"{formats.decimal(value, 1)} %" if name.endswith("percent") else formats.decimal(value, 3)


def _supposed(found: RecommendationDetail) -> str | None:
    """A link to work it out for a period of one's own, where that can be said of it."""
    told, calls = found.evidence, {name: value for name, value in found.scope.items() if name != "limit"}
    if found.kind == "cheaper_model":
        other = str(told["new_model"])
        if told["new_provider"] != told["provider"]:
            other = f"{told['new_provider']}/{other}"
        return Filters(others={"from1": str(told["model"]), "to1": other, **calls}).link(what_if.WHERE)
    if found.kind in ("batch", "flex"):
        model = {"model": str(told["model"])}
        return Filters(others={"tier": found.kind, **model, **calls}).link(what_if.WHERE)
    return None


async def accept(view: View) -> Response:
    """It is done; from now on it is told what it saves."""
    asked = view.api.accept_recommendation(view.request.path_params["id"], reason=view.field("reason") or None)
    return await _decide(view, asked, "Accepted. What it saves is told here from now on.")


async def dismiss(view: View) -> Response:
    """It is not shown again."""
    asked = view.api.dismiss_recommendation(view.request.path_params["id"], reason=view.field("reason"))
    return await _decide(view, asked, "Dismissed. It comes back if it would save twice as much.")


async def _decide(view: View, asked: Awaitable[RecommendationDetail], notice: str) -> Response:
    try:
        found = await asked
    except (Invalid, Outdated) as error:
        return await _one(view, error.status or 422, error.message)
    return view.done(f"{WHERE}/{found.id}", notice)


ROUTES = (
    Show(f"{WHERE}/{{id}}", recommendation),
    Change(f"{WHERE}/{{id}}/accept", accept, "edit"),
    Change(f"{WHERE}/{{id}}/dismiss", dismiss, "edit"),
)
