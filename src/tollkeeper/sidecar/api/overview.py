"""`GET /overview` and `/health`: how the sidecar itself is."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from tollkeeper.sidecar.api.answer import Answer
from tollkeeper.sidecar.api.channels import troubles
from tollkeeper.sidecar.api.services import Given
from tollkeeper.sidecar.api.sums import add
from tollkeeper.sidecar.api.vitals import DatabaseState, Forwarding, Ingest, Spool
from tollkeeper.storage.ledger import UsageQuery
from tollkeeper.version import __version__

FOR_EVER = 2**63 - 1
MOST_ORPHANS = 1000

router = APIRouter(tags=["system"])
liveness = APIRouter(tags=["system"])


class Alive(BaseModel):
    """This process answers."""

    status: Literal["ok"] = "ok"
    version: str = __version__


class Overview(BaseModel):
    """The health of the sidecar, and of what it holds."""

    status: Literal["ok", "degraded"] = Field(description="`degraded`: see `attention`.")
    attention: list[str] = Field(description="What somebody should look at, in words.")
    version: str = Field(examples=[__version__])
    versions: dict[str, str] = Field(description="Of what it is made of.")
    started_at: datetime
    uptime_seconds: int
    calls: int | None = Field(description="In the ledger. Null if it cannot be reached.")
    unpriced_calls: int | None = Field(description="Calls with usage and without a price.")
    unmeasured_calls: int | None = Field(description="Answered calls whose usage nobody knows.")
    orphans: int | None = Field(description=f"Calls that were begun and never reported; at most {MOST_ORPHANS}.")
    conflicts: int | None = Field(description="Calls that were reported twice, differently.")
    failing_channels: dict[str, str] = Field(
        description="Channels that nothing arrives at now, and why.",
        examples=[{"finance": "environment variable FINANCE_SLACK is not set"}],
    )
    ingest: Ingest
    database: DatabaseState
    forwarding: Forwarding | None = Field(description="Null where nothing is sent on.")
    spools: list[Spool] = Field(description="Those that lost records, the latest first; at most 100.")


@liveness.get("/health", response_model=Alive, summary="Whether the process answers")
def health() -> Answer:
    """For probes. Needs no key and asks nothing of the database."""
    return Answer(Alive())


@router.get("/overview", response_model=Overview, summary="How the sidecar is")
def overview(given: Given) -> Answer:
    """Ingest, database, versions, and what needs a look: calls without a price, orphans, conflicts, what was lost."""
    vitals = given.health.vitals()
    reachable = vitals.database.reachable
    totals = add(row.totals for row in given.ledger.usage(UsageQuery(0, FOR_EVER))) if reachable else None
    orphans = len(given.ledger.orphans(MOST_ORPHANS)) if reachable else None
    failing = troubles(given) if reachable else {}
    attention = [
        text
        for count, text in (
            (not reachable, "the ledger's database cannot be reached"),
            (totals and totals.unpriced, "there are calls without a price: GET prices/unpriced"),
            (orphans, "there are calls that were begun and never reported: GET orphans"),
            (vitals.conflicts, "there are calls that were reported twice, differently"),
            (vitals.spools, "an app has dropped records: its spool or its disk was full"),
            *((True, f"alerts do not reach {name}: {why}") for name, why in failing.items()),
            (vitals.forwarding and vitals.forwarding.dropped, "some requests could not be sent on"),
        )
        if count
    ]
    return Answer(
        Overview(
            status="degraded" if attention else "ok",
            attention=attention,
            version=__version__,
            versions=vitals.versions,
            started_at=vitals.started_at,
            uptime_seconds=max(0, int((given.now() - vitals.started_at).total_seconds())),
            calls=totals.calls if totals else None,
            unpriced_calls=totals.unpriced if totals else None,
            unmeasured_calls=totals.unmeasured if totals else None,
            orphans=orphans,
            conflicts=vitals.conflicts,
            failing_channels=failing,
            ingest=vitals.ingest,
            database=vitals.database,
            forwarding=vitals.forwarding,
            spools=vitals.spools,
        )
    )
