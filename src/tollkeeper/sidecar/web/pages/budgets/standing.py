"""The list of limits: used against how much of the period has passed, where it will end, and what holds now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response

from tollkeeper.client.forecasting import Forecasts, ForecastState
from tollkeeper.client.standings import LimitUsage, ScopeUse
from tollkeeper.sidecar.web.pages.budgets.conditions import calls_words
from tollkeeper.sidecar.web.pages.budgets.limit_form import STEPS, THEN
from tollkeeper.sidecar.web.pages.budgets.tabs import PATH, TABS, TITLE, anchor
from tollkeeper.sidecar.web.view import View

SHOWN = 3
"""Of each limit in the list; its own page has all."""
MOST = 1000
MOST_FORECASTS = 2000
NEAR, FULL = 0.8, 1.0

Key = tuple[str, tuple[tuple[str, str], ...], datetime | None]


@dataclass(frozen=True, slots=True)
class Standing:
    """One of those whom a limit counts for. `forecast` is of the period that is running."""

    use: ScopeUse
    forecast: ForecastState | None

    @property
    def tone(self) -> str:
        """How the bar is drawn; its label says the same."""
        return "bad" if self.use.ratio >= FULL else "warning" if self.use.ratio >= NEAR else ""


@dataclass(frozen=True, slots=True)
class Shown:
    """One limit, and how those stand who have used the most of it."""

    limit: LimitUsage
    standings: list[Standing]

    @property
    def calls(self) -> str:
        """Which calls it is for, in words; nothing where it is every call."""
        return calls_words(self.limit.match)

    @property
    def title(self) -> str:
        """What it says, and of which calls."""
        return f"{self.limit.form}, {self.calls}" if self.calls else self.limit.form

    @property
    def anchor(self) -> str:
        """Where it stands in the list."""
        return anchor(self.limit.name)

    @property
    def when_reached(self) -> str:
        """The mode in words."""
        if self.limit.mode == "soft":
            return THEN["warn"]
        return f"wait up to {self.limit.wait_seconds:g} s, then refuse" if self.limit.wait_seconds else THEN["refuse"]

    @property
    def state(self) -> str:
        """The worst of it in a word or two."""
        if not self.standings:
            return ""
        worst = self.standings[0]
        if worst.use.ratio >= FULL:
            return "used up" if self.limit.mode == "hard" else "exceeded"
        if worst.forecast is not None and worst.forecast.told:
            return "will be exceeded"
        return "nearly used up" if worst.use.ratio >= NEAR else ""


def shown(limit: LimitUsage, forecasts: Mapping[Key, ForecastState]) -> Shown:
    """A limit with the forecasts of its own."""
    return Shown(limit, [Standing(use, forecasts.get(_key(limit.name, use))) for use in limit.uses])


def by_budget(found: Forecasts) -> dict[Key, ForecastState]:
    """Forecasts of limits by whose period they are about."""
    return {
        (one.subject, tuple(sorted(one.scope.items())), one.period_start): one
        for one in found.forecasts
        if one.subject is not None
    }


async def limits(view: View) -> Response:
    """The tab."""
    parts = await view.together(
        usage=view.api.limit_usage(most=SHOWN),
        forecasts=view.api.forecasts(by="limit", most=MOST_FORECASTS),
        policy=view.api.policy(),
    )
    known = by_budget(parts["forecasts"]) if parts["forecasts"] else {}
    found = [shown(limit, known) for limit in parts["usage"].limits] if parts["usage"] else []
    calm = [one for one in found if one.limit.config is not None and not one.state]
    counted = [one for one in found if one.limit.counted and one not in calm]
    return view.page(
        "budgets_limits.html", title=TITLE, tabs=TABS, tab="limits", live=True, found=counted, step_words=STEPS,
        each_call=[one for one in found if not one.limit.counted], quotas=len(calm), most=SHOWN, **parts,
    )  # fmt: skip


async def limit(view: View) -> Response:
    """One limit, with all whom it counts for."""
    name = view.request.query_params.get("name", "")
    usage = await view.api.limit_usage(limit=name, most=MOST)
    parts = await view.together(forecasts=view.api.forecasts(subject=name, most=MOST_FORECASTS))
    known = by_budget(parts["forecasts"]) if parts["forecasts"] else {}
    one = shown(usage.limits[0], known)
    return view.page(
        "budgets_limit.html", title=one.title, tabs=TABS, tab="limits", live=True, one=one, at=usage.at,
        version=usage.policy_version, step_words=STEPS, most=MOST, list_path=PATH, **parts,
    )  # fmt: skip


def _key(name: str, use: ScopeUse) -> Key:
    return name, tuple(sorted(use.scope.items())), use.period_start
