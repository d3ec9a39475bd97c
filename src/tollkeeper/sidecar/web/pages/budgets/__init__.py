"""Budgets and limits: how they stand, how they are changed, and what is done when all else fails."""

from __future__ import annotations

from collections.abc import Mapping

from tollkeeper.sidecar.web.pages.budgets import (
    checking,
    editing,
    emergency,
    history,
    in_flight,
    quotas,
    review,
    standing,
)
from tollkeeper.sidecar.web.pages.budgets.tabs import PATH
from tollkeeper.sidecar.web.routes import Answer, Change, Show, tabbed

TABS: Mapping[str, Answer] = {
    "limits": standing.limits, "quotas": quotas.quotas, "in-flight": in_flight.in_flight, "history": history.history,
    "emergency": emergency.emergency,
}  # fmt: skip

ROUTES: tuple[Show | Change, ...] = (
    Show(PATH, tabbed(TABS)),
    Show(f"{PATH}/limit", standing.limit),
    Show(f"{PATH}/check", checking.check),
    Show(f"{PATH}/edit", editing.edit),
    Show(f"{PATH}/text", editing.edit_text),
    Show(f"{PATH}/presets", editing.presets),
    Change(f"{PATH}/edit", editing.again, "edit"),
    Change(f"{PATH}/review", review.review, "edit"),
    Change(f"{PATH}/backtest", review.backtest, "edit"),
    Change(f"{PATH}/save", review.save, "edit"),
    Show(f"{PATH}/quota", quotas.quota),
    Change(f"{PATH}/quota", quotas.set_quota, "edit"),
    Change(f"{PATH}/quota/reset", quotas.reset_quota, "edit"),
    Change(f"{PATH}/quota/remove", quotas.remove_quota, "edit"),
    Show(f"{PATH}/agreement", in_flight.agreement),
    Change(f"{PATH}/rebuild", in_flight.rebuild, "edit"),
    Show(f"{PATH}/emergency", emergency.declare),
    Show(f"{PATH}/emergency-banner", emergency.banner),
    Change(f"{PATH}/emergency/enter", emergency.enter, "edit"),
    Change(f"{PATH}/emergency/leave", emergency.leave, "edit"),
)
