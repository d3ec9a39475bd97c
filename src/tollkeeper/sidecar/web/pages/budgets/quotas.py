"""Quotas of configurations: how many tokens of a month are used; set, begun anew, taken away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

from starlette.responses import Response

from tollkeeper.client import Invalid, NotFound
from tollkeeper.client.standings import QuotaStatus
from tollkeeper.sidecar.web.amounts import read_whole
from tollkeeper.sidecar.web.pages.budgets.tabs import PATH, TABS, TITLE
from tollkeeper.sidecar.web.view import SAY_WHY, View

LIST = f"{PATH}?tab=quotas"
USUAL = {"quota_limit": "", "threshold": "80", "mode": "hard", "reason": ""}
MODES = {"hard": "refuse further calls", "soft": "only warn, and let calls go"}
FIELDS = {"quota_limit": "quota_limit", "alert_threshold_percent": "threshold", "reason": "reason"}
"""Of the form, by the field of the API."""


async def quotas(view: View) -> Response:
    """The tab: the fullest first, then those that have none."""
    parts = await view.together(quotas=view.api.quotas())
    found = sorted(
        parts["quotas"].quotas if parts["quotas"] else (), key=lambda one: (-(one.usage_percent or -1), one.config_id)
    )
    return view.page("budgets_quotas.html", title=TITLE, tabs=TABS, tab="quotas", found=found, live=True, **parts)


async def quota(view: View) -> Response:
    """One configuration: how it stands, and what can be done."""
    config = view.request.query_params.get("config", "")
    return await _page(view, config, {})


async def set_quota(view: View) -> Response:
    """Give a configuration a quota, or another one."""
    config, mistakes = view.field("config"), {}
    amounts: dict[str, int] = {}
    for name in ("quota_limit", "threshold"):
        try:
            amounts[name] = read_whole(view.field(name).removesuffix("%"))
        except ValueError as expected:
            mistakes[name] = str(expected)
    if not config:
        mistakes["config"] = "say which configuration: the tag config of its calls"
    if not view.field("reason"):
        mistakes["reason"] = SAY_WHY
    if not mistakes:
        mistakes = await _set(view, config, amounts["quota_limit"], amounts["threshold"])
    if mistakes:
        return await _page(view, config, mistakes, 422)
    return view.done(LIST, f"The quota of {config} is set.")


async def _set(view: View, config: str, tokens: int, threshold: int) -> dict[str, str]:
    """What the API has against it, by the form's fields."""
    mode: Literal["hard", "soft"] = "soft" if view.field("mode") == "soft" else "hard"
    try:
        await view.api.set_quota(
            config, tokens, alert_threshold_percent=threshold, mode=mode, reason=view.field("reason")
        )  # fmt: skip
    except Invalid as error:
        return {FIELDS.get(error.field or "", "config"): error.message}
    except ValueError as error:
        return {"config": str(error)}
    return {}


async def reset_quota(view: View) -> Response:
    """Begin its usage anew."""
    return await _done(view, "reset", view.api.reset_quota, "The usage of {} begins anew.")


async def remove_quota(view: View) -> Response:
    """Take it away."""
    return await _done(view, "remove", view.api.remove_quota, "{} has no quota of its own any more.")


async def _done(view: View, what: str, do: Callable[..., Awaitable[QuotaStatus]], told: str) -> Response:
    config, reason = view.field("config"), view.field("reason")
    if not reason:
        return await _page(view, config, {what: SAY_WHY}, 422)
    try:
        await do(config, reason=reason)
    except ValueError as error:
        return await _page(view, config, {"config": str(error)}, 422)
    return view.done(LIST, told.format(config))


async def _page(view: View, config: str, mistakes: dict[str, str], status: int = 200) -> Response:
    known = await _known(view, config)
    said = {name: view.field(name) for name in USUAL} if view.form else _as_it_is(known)
    return view.page(
        "budgets_quota.html", status, title=f"Quota of {config}" if known else "New quota", tabs=TABS, tab="quotas",
        config=config, known=known, said=said, mistakes=mistakes, modes=MODES,
    )  # fmt: skip


async def _known(view: View, config: str) -> QuotaStatus | None:
    try:
        found: QuotaStatus = await view.api.quota(config)
    except (NotFound, ValueError):
        return None
    return found


def _as_it_is(known: QuotaStatus | None) -> dict[str, str]:
    if known is None or known.quota_limit is None:
        return USUAL
    return {
        "quota_limit": str(known.quota_limit), "threshold": str(known.alert_threshold_percent or 80),
        "mode": known.mode or "hard", "reason": "",
    }  # fmt: skip
