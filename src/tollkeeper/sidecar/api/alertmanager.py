"""`POST /alerts/alertmanager`: what an Alertmanager tells by its webhook is told on by the channels that it is for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from tollkeeper.sidecar.alertmanager_webhook import Posted, alert_of
from tollkeeper.sidecar.api.answer import Answer
from tollkeeper.sidecar.api.services import Given

MOST_ALERTS = 1000
LONGEST_NAME, LONGEST_VALUE, MOST_LABELS = 200, 10_000, 100

router = APIRouter(tags=["alerts"])

Texts = Annotated[
    dict[Annotated[str, Field(max_length=LONGEST_NAME)], Annotated[str, Field(max_length=LONGEST_VALUE)]],
    Field(max_length=MOST_LABELS),
]


class PostedAlert(BaseModel):
    """One alert, of those that Alertmanager has put together."""

    status: Literal["firing", "resolved"]
    labels: Texts = Field(examples=[{"alertname": "TollkeeperCostSpike", "severity": "critical", "tenant": "acme"}])
    annotations: Texts = Field(default={}, examples=[{"summary": "Four times what is usual."}])
    startsAt: AwareDatetime  # noqa: N815  Alertmanager's names
    endsAt: AwareDatetime | None = None  # noqa: N815
    generatorURL: str = Field(default="", max_length=LONGEST_VALUE)  # noqa: N815


class Webhook(BaseModel):
    """What Alertmanager sends (version 4), as far as it is read."""

    model_config = ConfigDict(extra="ignore")

    version: Literal["4"]
    alerts: list[PostedAlert] = Field(max_length=MOST_ALERTS)


class Taken(BaseModel):
    """What is told now."""

    notifications: int = Field(description="Messages to channels. Of what was told before, there are none.")


@router.post("/alerts/alertmanager", response_model=Taken, summary="Tell on what an Alertmanager tells")
def alertmanager(given: Given, said: Webhook) -> Answer:
    """For a receiver with `webhook_configs`. To the channels with `via = "alertmanager"` that want it."""
    now = given.now_nanoseconds()
    alerts = [alert_of(posted, now) for posted in alerts_of(said)]
    return Answer(Taken(notifications=len(given.alerts.relay(alerts, given.channels.all()))))


def alerts_of(said: Webhook) -> Iterator[Posted]:
    """The alerts of a webhook, by our names."""
    for one in said.alerts:
        yield Posted(one.status, one.labels, one.annotations, one.startsAt, one.endsAt, one.generatorURL)
