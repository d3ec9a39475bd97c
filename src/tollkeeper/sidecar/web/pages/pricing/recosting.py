"""Pricing calls again that are in the ledger: first what it would change, then, if somebody wants it, the booking."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from starlette.datastructures import FormData, QueryParams
from starlette.responses import Response

from tollkeeper.client import ApiError, Invalid, KeyRefused, Outdated
from tollkeeper.client.records import Change
from tollkeeper.sidecar.web.filters import Filters
from tollkeeper.sidecar.web.view import SAY_WHY, View

PATH = "/pricing/recost"
GLOB = frozenset("*?[")
DATED = re.compile(r"[-@]\d{4}")
"""What follows a model's name in those of its versions: `-2024-08-06`, `-0613`; and not `-mini`, nor `-70b`."""


@dataclass(frozen=True)
class Wanted:
    """Which calls: of this row of the price book, or of these models, from one moment to another."""

    start: datetime
    end: datetime
    provider: str = ""
    model: str = ""
    tenant: str = ""
    models: tuple[str, ...] = ()

    def asked(self) -> dict[str, Any]:
        """As arguments of the client."""
        whose = {} if not self.provider or GLOB & set(self.provider) else {"provider": self.provider}
        of = {"tenant": self.tenant} if self.tenant else {}
        which = {"model": list(self.models)} if self.models else {}
        return {"start": self.start, "end": self.end, **whose, **of, **which}

    def names(self, model: str) -> bool:
        """Whether a row about `model` means this one: a name means its dated versions too."""
        wanted, found = self.model.lower(), model.lower()
        return fnmatchcase(found, wanted) or found.startswith(wanted) and DATED.match(found, len(wanted)) is not None


def recost_link(
    filters: Filters, start: datetime, provider: str, model: str, tenant: str | None, reason: str = ""
) -> str:
    """Where the calls of a row since a moment can be priced again, for the reason that was given for the row."""
    about = {"for_provider": provider, "for_model": model, "for_tenant": tenant or "", "reason": reason}
    told = {name: text for name, text in about.items() if text and text != "*"}
    return filters.elsewhere(PATH, since=start.astimezone(UTC).isoformat(), **told)


async def recost(view: View) -> Response:
    """What it would change: worked out in a second request, as it may take a moment. Nothing is written."""
    wanted = read_wanted(view.request.query_params, view.now)
    if view.is_part or view.request.query_params.get("now") == "yes":
        return await _planned(view, wanted)
    link = view.filters.link(PATH, since=wanted.start.isoformat(), until=wanted.end.isoformat(), now="yes")
    return view.page("pricing_recost.html", title="Price calls again", wanted=wanted, plan=None, told="", later=link)


async def book(view: View) -> Response:
    """Writes the corrections, if they still are those that were looked at."""
    wanted, reason = read_wanted(view.form, view.now), view.field("reason")
    if not reason:
        return await _planned(view, wanted, 422, SAY_WHY)
    try:
        done = await view.api.reprice(apply=True, plan=view.field("plan"), reason=reason, **wanted.asked())
    except KeyRefused:
        raise
    except Outdated:
        return await _planned(view, wanted, 409, "Prices have changed since you looked. These are the figures now.")
    except Invalid as error:
        return await _planned(view, wanted, 422, error.message)
    except ApiError as error:
        told = f"It stopped before its end: {error.message}. What was booked is kept; below is what is left to do."
        return await _planned(view, wanted, 503, told)
    booked = view.formats.count(done.adjusted_calls)
    where = view.filters.elsewhere("/pricing/recosted", plan=done.plan, adjusted=str(done.adjusted_calls))
    return view.done(where, f"Booked: {booked} calls were priced again.")


async def recosted(view: View) -> Response:
    """What was booked, as the audit trail has it."""
    plan = view.request.query_params.get("plan", "")
    found = await view.together(audit=view.api.audit(kind="period", object_id=plan, limit=1))
    entry = next(iter(found["audit"].changes), None) if found["audit"] else None
    return view.page(
        "pricing_recosted.html", title="Priced again", plan=plan, entry=entry, calls=_calls(view, entry),
        audit_link=view.filters.elsewhere("/settings", tab="audit", kind="period", object_id=plan),
        known=_known, adjusted=view.request.query_params.get("adjusted", ""), **found,
    )  # fmt: skip


def read_wanted(given: QueryParams | FormData, now: datetime) -> Wanted:
    """Of a URL, or a form. What makes no sense is the last 30 days."""
    start, end = (_moment(given.get(name)) for name in ("since", "until"))
    provider, model, tenant = (str(given.get(name) or "") for name in ("for_provider", "for_model", "for_tenant"))
    models = tuple(str(each) for each in given.getlist("models") if each)
    end = end or now
    start = start or end - timedelta(days=30)
    return Wanted(min(start, end - timedelta(seconds=1)), end, provider, model, tenant, models)


async def _planned(view: View, wanted: Wanted, status: int = 200, told: str = "") -> Response:
    """Only of the models that are meant: the prices of others may have changed too, on purpose without a booking."""
    if wanted.model and not wanted.models:
        wanted = replace(wanted, models=await _meant(view, wanted))
    plan = None if wanted.model and not wanted.models else await view.api.reprice(**wanted.asked())
    return view.page(
        "pricing_recost.html", status, title="Price calls again", wanted=wanted, plan=plan, told=told, later=None,
        reason=view.field("reason") if view.form else view.request.query_params.get("reason", ""),
    )  # fmt: skip


async def _meant(view: View, wanted: Wanted) -> tuple[str, ...]:
    """The models that were called and that the row is about."""
    usage = await view.api.usage(group_by="model", **wanted.asked())
    return tuple(name for group in usage.groups if wanted.names(name := group.group["model"]))


def _calls(view: View, entry: Change | None) -> str | None:
    """The requests that were corrected."""
    if entry is None:
        return None
    after = entry.after
    first, last = (datetime.fromtimestamp(after[name] // 10**9, view.filters.zone).date() for name in ("start", "end"))
    custom = replace(view.filters, range="custom", wanted={}, others={})
    names = {name: values[0] for name, values in after.get("filters", {}).items() if len(values) == 1}
    return custom.elsewhere("/requests", start=first.isoformat(), end=last.isoformat(), **names)


def _known(sums: Mapping[str, int]) -> int | None:
    """Nano-dollars; `None` where nothing but calls without a price is in the sum."""
    return None if sums["unpriced"] and not sums["nano_usd"] else sums["nano_usd"]


def _moment(text: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    if at is None or not 1971 <= at.year <= 2199:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
