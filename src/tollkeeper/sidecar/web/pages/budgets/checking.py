"""Would this call go? Asked of the limits as they stand, without holding anything."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from tollkeeper.client import ApiError
from tollkeeper.client.standings import Check
from tollkeeper.sidecar.web.amounts import read_whole
from tollkeeper.sidecar.web.pages.budgets.conditions import read_conditions
from tollkeeper.sidecar.web.pages.budgets.limit_form import STEPS
from tollkeeper.sidecar.web.pages.budgets.tabs import TABS
from tollkeeper.sidecar.web.view import View

FIELDS = ("to", "asked", "with", "input", "output")


async def check(view: View) -> Response:
    """The form, and the answer once a call is described. All of it is in the URL."""
    said = {name: view.request.query_params.get(name, "").strip() for name in FIELDS}
    mistakes: dict[str, str] = {}
    found: Check | None = None
    if any(said.values()):
        call = _call(said, mistakes)
        if not mistakes:
            try:
                found = await view.api.check(**call)
            except ApiError as error:
                mistakes[""] = error.message
    return view.page(
        "budgets_check.html", 422 if mistakes else 200, title="Test a call", tabs=TABS, tab="limits",
        said=said, mistakes=mistakes, found=found, step_words={**STEPS, "emergency": "as in an emergency"},
    )  # fmt: skip


def _call(said: dict[str, str], mistakes: dict[str, str]) -> dict[str, Any]:
    for name, what in (("to", "the provider, such as openai"), ("asked", "the model, such as gpt-4o-mini")):
        if not said[name]:
            mistakes[name] = f"say {what}"
    tokens: dict[str, int | None] = {}
    for name in ("input", "output"):
        try:
            tokens[f"{name}_tokens"] = read_whole(said[name]) if said[name] else None
        except ValueError as expected:
            mistakes[name] = str(expected)
    tags: dict[str, str] = {}
    try:
        tags = dict(read_conditions(said["with"]))
    except ValueError as expected:
        mistakes["with"] = str(expected)
    return {"provider": said["to"], "model": said["asked"], "tags": tags, **tokens}
