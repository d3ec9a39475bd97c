"""`GET /status`: which providers are in use, and how to begin with the others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from tollkeeper.model.providers import SETUPS
from tollkeeper.sidecar.api.answer import Answer, moment, nanoseconds
from tollkeeper.sidecar.api.services import Given
from tollkeeper.storage.ledger import Ledger, UsageQuery, UsageRow

FOR_EVER = 2**63 - 1
DAY = timedelta(days=1)

router = APIRouter(tags=["usage"])


class Provider(BaseModel):
    """A provider; `configured` once a call to it was recorded."""

    name: str = Field(description="The `gen_ai.provider.name`.", examples=["openai"])
    status: Literal["configured", "not_configured"]
    model: str | None = Field(default=None, description="The one that is called most.", examples=["gpt-4o"])
    calls: int = Field(default=0, description="Recorded so far.")
    last_seen: datetime | None = Field(
        default=None, description="When the newest call to it began, without those of clocks that are days ahead."
    )
    setup_guide: str | None = Field(default=None, description="How to begin; null for a provider that is in use.")


class Status(BaseModel):
    """Which providers are in use."""

    configured: bool = Field(description="Whether any is.")
    configured_count: int = Field(examples=[2])
    total_providers: int = Field(examples=[32])
    default_provider: str | None = Field(description="The one that is called most.", examples=["openai"])
    providers: list[Provider] = Field(description="Those in use first, the most called before the others.")
    message: str = Field(examples=["2 provider(s) ready"])


@router.get("/status", response_model=Status, summary="Providers in use")
def status(given: Given) -> Answer:
    """A provider is configured once the ledger has a call to it; keys of providers are never looked at."""
    used = _used(given.ledger, given.now())
    names = {provider.name for provider in used}
    others = [
        Provider(name=setup.name, status="not_configured", setup_guide=setup.guide)
        for setup in SETUPS
        if setup.name not in names
    ]
    return Answer(
        Status(
            configured=bool(used),
            configured_count=len(used),
            total_providers=len(used) + len(others),
            default_provider=used[0].name if used else None,
            providers=[*used, *others],
            message=f"{len(used)} provider(s) ready" if used else "No call was recorded yet: see setup_guide",
        )
    )


def _used(ledger: Ledger, now: datetime) -> list[Provider]:
    rows: dict[str, list[UsageRow]] = {}
    for row in ledger.usage(UsageQuery(0, FOR_EVER, group_by=("provider", "model"))):
        rows.setdefault(row.group[0], []).append(row)
    # A clock may be ahead by some hours; one that is by years would name its own time for ever.
    newest = ledger.newest(nanoseconds(now + DAY))
    found = [_provider(name, of_it, newest.get(name)) for name, of_it in rows.items()]
    return sorted(found, key=lambda provider: (-provider.calls, provider.name))


def _provider(name: str, rows: Sequence[UsageRow], newest: int | None) -> Provider:
    most = max(rows, key=lambda row: row.totals.calls)
    return Provider(
        name=name,
        status="configured",
        model=most.group[1] or None,
        calls=sum(row.totals.calls for row in rows),
        last_seen=None if newest is None else moment(newest),
    )
