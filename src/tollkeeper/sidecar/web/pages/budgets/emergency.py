"""The emergency: whether there is one, who has begun it and why; begun and ended by a person who says why."""

from __future__ import annotations

from starlette.responses import Response

from tollkeeper.client import Outdated
from tollkeeper.model.ladder import SHEDDABLE
from tollkeeper.policy.document import Document
from tollkeeper.sidecar.web.pages.budgets.emergency_form import said_of
from tollkeeper.sidecar.web.pages.budgets.tabs import EMERGENCY, TABS, TITLE
from tollkeeper.sidecar.web.view import SAY_WHY, View

CONFLICT = 409
USUAL: Document = {"tokens": 512, "shed": ["low"]}
"""What the form begins with, where nothing is said yet."""
SHOWN = 20


async def emergency(view: View) -> Response:
    """The tab."""
    return await _page(view)


async def banner(view: View) -> Response:
    """What every page shows while there is an emergency; else nothing."""
    return view.page("parts/emergency_banner.html", **await view.together(emergency=view.api.emergency()))


async def enter(view: View) -> Response:
    """Begin one."""
    if not view.field("reason"):
        return await _page(view, SAY_WHY, 422)
    try:
        await view.api.enter_emergency(reason=view.field("reason"))
    except Outdated as error:
        return await _page(view, f"There is no emergency: {error.message}.", CONFLICT)
    return view.done(EMERGENCY, "The emergency has begun. Apps go by it within seconds.")


async def leave(view: View) -> Response:
    """End it."""
    if not view.field("reason"):
        return await _page(view, SAY_WHY, 422)
    await view.api.leave_emergency(reason=view.field("reason"))
    return view.done(EMERGENCY, "The emergency is over. Calls go as they did before.")


async def declare(view: View) -> Response:
    """The form of what is done in one; it leads to the review of the policy."""
    policy = await view.api.policy()
    return declared_page(view, policy.version, said_of(policy.document.get("emergency", USUAL)))


def declared_page(
    view: View, version: int, said: Document, mistakes: dict[str, str] | None = None, status: int = 200
) -> Response:
    """The same, with what was typed."""
    return view.page(
        "budgets_declare.html", status, title="What is done in an emergency", tabs=TABS, tab="emergency", said=said,
        version=version, mistakes=mistakes or {}, sheddable=SHEDDABLE,
    )  # fmt: skip


async def _page(view: View, mistake: str = "", status: int = 200) -> Response:
    asked = {"emergency": view.api.emergency(), "policy": view.api.policy()}
    if view.may("edit"):
        asked["changes"] = view.api.audit(kind="emergency", limit=SHOWN)
    parts = {"changes": None, **await view.together(**asked)}
    return view.page(
        "budgets_emergency.html", status, title=TITLE, tabs=TABS, tab="emergency", live=True, mistake=mistake,
        reason=view.field("reason"), **parts,
    )  # fmt: skip
