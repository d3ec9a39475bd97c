"""Prices: what models cost and who says so, what will change, what has no price, who changed what, and discounts."""

from __future__ import annotations

from tollkeeper.sidecar.web.pages.pricing import (
    catalogue,
    discounts,
    editing,
    ending,
    history,
    recosting,
    scheduled,
    unpriced,
)
from tollkeeper.sidecar.web.pages.pricing.tabs import PATH
from tollkeeper.sidecar.web.routes import Answer, Change, Show, tabbed

SHOWN: dict[str, Answer] = {
    "catalogue": catalogue.catalogue,
    "scheduled": scheduled.scheduled,
    "unpriced": unpriced.unpriced,
    "history": history.history,
    "discounts": discounts.discounts,
}

ROUTES = (
    Show(PATH, tabbed(SHOWN)),
    Show("/pricing/model", catalogue.model),
    Show("/pricing/edit", editing.edit),
    Show("/pricing/review", editing.review),
    Show("/pricing/impact", editing.impact),
    Change("/pricing/save", editing.save, "edit"),
    Show("/pricing/end", ending.end),
    Change("/pricing/end", ending.withdraw, "edit"),
    Change("/pricing/cancel", ending.cancel, "edit"),
    Show("/pricing/recost", recosting.recost),
    Change("/pricing/recost", recosting.book, "edit"),
    Show("/pricing/recosted", recosting.recosted),
)
