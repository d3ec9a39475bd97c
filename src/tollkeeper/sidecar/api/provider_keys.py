"""`/provider-keys`: whether the providers' keys are set where the apps run, as the apps say. The keys stay there."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from tollkeeper.model.providers import KEY_VARIABLES, LAST, KeyFound
from tollkeeper.sidecar.api.answer import Answer, moment
from tollkeeper.sidecar.api.filters import LONGEST
from tollkeeper.sidecar.api.services import Given
from tollkeeper.storage.provider_keys import KeyTold

MOST_VARIABLES = 200

router = APIRouter(tags=["usage"])
telling = APIRouter(tags=["usage"])


class ProviderKey(BaseModel):
    """What the processes of a service have said of one key."""

    provider: str = Field(examples=["openai"])
    variable: str = Field(description="The environment variable that it is read from.", examples=["OPENAI_API_KEY"])
    service: str = Field(description="Where it was looked for.", examples=["checkout"])
    is_set: bool
    last_four: str | None = Field(
        description="Its last characters; null where none is set, or it is too short to show any.", examples=["x7Qa"]
    )
    told_at: datetime = Field(description="When a process said so last. Processes repeat it every hour.")


class ProviderKeys(BaseModel):
    """By variable and service, what was said last first."""

    keys: list[ProviderKey]


class KeySaid(BaseModel):
    """What a process has found."""

    model_config = ConfigDict(extra="forbid")

    variable: str = Field(min_length=1, max_length=LONGEST, examples=["OPENAI_API_KEY"])
    is_set: bool
    last_four: str | None = Field(default=None, min_length=LAST, max_length=LAST, examples=["x7Qa"])


class KeysSaid(BaseModel):
    """What a process of a service has found."""

    model_config = ConfigDict(extra="forbid")

    service: str = Field(min_length=1, max_length=LONGEST, examples=["checkout"])
    keys: list[KeySaid] = Field(max_length=MOST_VARIABLES)


class KeysTaken(BaseModel):
    """What is kept of it."""

    keys: int = Field(description="Without those of providers that are not known here.")


@router.get("/provider-keys", response_model=ProviderKeys, summary="Whether providers' keys are set")
def provider_keys(given: Given) -> Answer:
    """As the apps say: of the environment, not of what they give to an SDK themselves. Kept for 30 days."""
    return Answer(
        ProviderKeys(keys=[_state(each) for each in given.provider_keys.all() if each.key.variable in KEY_VARIABLES])
    )


@telling.post("/provider-keys", response_model=KeysTaken, summary="Say which providers' keys are set")
def tell_provider_keys(given: Given, said: KeysSaid) -> Answer:
    """For the apps' instrumentation. The keys themselves have no place in it."""
    known = [KeyFound(**dict(each)) for each in said.keys if each.variable in KEY_VARIABLES]
    given.provider_keys.tell(said.service, known)
    return Answer(KeysTaken(keys=len(known)))


def _state(told: KeyTold) -> ProviderKey:
    return ProviderKey(
        provider=KEY_VARIABLES[told.key.variable], variable=told.key.variable, service=told.service,
        is_set=told.key.is_set, last_four=told.key.last_four, told_at=moment(told.told_at),
    )  # fmt: skip
