"""Where a limit is made or changed, and where the whole policy is edited as text: forms that lead to the review."""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.datastructures import FormData
from starlette.responses import Response

from tollkeeper.client import NotFound
from tollkeeper.model.limit import PER
from tollkeeper.policy.document import Document
from tollkeeper.policy.presets import PRESETS
from tollkeeper.sidecar.web.forms import number_in
from tollkeeper.sidecar.web.pages.budgets.difference import as_toml
from tollkeeper.sidecar.web.pages.budgets.emergency import declared_page
from tollkeeper.sidecar.web.pages.budgets.emergency_form import typed_emergency
from tollkeeper.sidecar.web.pages.budgets.limit_form import (
    MEASURES,
    NEW,
    STEP_VALUES,
    STEPS,
    THEN,
    UNAVAILABLE,
    WINDOWS,
    LimitForm,
    Mistaken,
    form_of,
    tables_of,
    typed,
)
from tollkeeper.sidecar.web.pages.budgets.proposal import limit_named, propose
from tollkeeper.sidecar.web.pages.budgets.tabs import TABS
from tollkeeper.sidecar.web.view import View

PRESETS_FOR: Mapping[str, str] = {
    "low": "To try things out", "medium": "A team, or a small product", "high": "A product with many users",
    "enterprise": "A company", "seed": "A small app: rates for all and for each user, and a daily budget",
}  # fmt: skip
DIMENSIONS = ("tenant", "user", "project", "service", "feature", "config", "session", "provider", "model", "operation")


async def edit(view: View) -> Response:
    """The form of a limit: of a new one, or of the one that the URL names."""
    policy = await view.api.policy()
    name = view.request.query_params.get("name", "")
    if not name:
        return limit_page(view, policy.version, NEW)
    found = limit_named(policy.document, name)
    if found is None:
        raise NotFound(404, f"There is no limit {name!r} any more.")
    form = form_of(*found)
    if not _says_all(form, policy.document):
        return text_page(view, policy.version, as_toml(policy.document), "toml", hint=name)
    return limit_page(view, policy.version, form)


async def edit_text(view: View) -> Response:
    """The whole policy as text."""
    policy = await view.api.policy()
    if view.request.query_params.get("format") == "json":
        text = json.dumps(policy.document, indent=2, ensure_ascii=False)
        return text_page(view, policy.version, text, "json")
    return text_page(view, policy.version, as_toml(policy.document), "toml")


async def presets(view: View) -> Response:
    """Policies to begin with."""
    policy = await view.api.policy()
    return view.page(
        "budgets_presets.html", title="Begin with a preset", tabs=TABS, tab="limits", presets=PRESETS, policy=policy,
        about=PRESETS_FOR,
    )  # fmt: skip


async def again(view: View) -> Response:
    """Back from the review, with what was typed."""
    return form_again(view, view.form, {}, 200)


def form_again(view: View, form: FormData, mistakes: dict[str, str], status: int = 422) -> Response:
    """The form that was sent, with what is wrong beside its fields."""
    version = version_shown(form)
    if form.get("what") == "emergency":
        return declared_page(view, version, typed_emergency(form), mistakes, status)
    if form.get("what") == "text":
        text, kind = str(form.get("text", "")), str(form.get("format", "toml"))
        return text_page(view, version, text, kind, mistakes, status)
    return limit_page(view, version, typed(form), mistakes, status)


def limit_page(
    view: View, version: int, form: LimitForm, mistakes: dict[str, str] | None = None, status: int = 200
) -> Response:
    """The form of one limit."""
    title = f"Change {form.before}" if form.before else "New limit"
    return view.page(
        "budgets_edit.html", status, title=title, tabs=TABS, tab="limits", form=form, version=version,
        mistakes=mistakes or {}, measures=MEASURES, windows=WINDOWS, per=PER, then=THEN, steps=STEPS,
        step_values=STEP_VALUES, unavailable=UNAVAILABLE, sorts=DIMENSIONS,
    )  # fmt: skip


def text_page(
    view: View, version: int, text: str, kind: str, mistakes: dict[str, str] | None = None, status: int = 200,
    hint: str = "",
) -> Response:  # fmt: skip
    """The form of the whole policy."""
    return view.page(
        "budgets_text.html", status, title="The policy as text", tabs=TABS, tab="limits", text=text, format=kind,
        version=version, mistakes=mistakes or {}, hint=hint,
    )  # fmt: skip


def _says_all(form: LimitForm, document: Document) -> bool:
    """Whether sending the form as it is would leave the limit as it is: a policy can say more than a form."""
    try:
        table, ladder, mistakes = tables_of(form)
        if mistakes:
            return False
        fields = FormData(
            [("what", "text"), ("format", "json"), ("text", json.dumps(_replaced(document, table, ladder)))]
        )
        return propose(fields, document).document == document
    except Mistaken:
        return False


def _replaced(document: Document, table: Document, ladder: Document | None) -> Document:
    name = table["name"]
    limits = [table if each["name"] == name else each for each in document["limit"]]
    ladders = [
        {"limit": name, **ladder} if each["limit"] == name and ladder is not None else each
        for each in document.get("ladder", ())
    ]
    return {**document, "limit": limits, **({"ladder": ladders} if ladders else {})}


def version_shown(form: FormData) -> int:
    """The version that was shown with the form; of a form that does not say it, the one before all others."""
    return number_in(form.get("version")) or 0
