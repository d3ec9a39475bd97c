"""`GET /settings`: the options of `tollkeeper serve` as they are in force, and where each was set. Read-only."""

from __future__ import annotations

import re
from typing import Any, Final

from fastapi import APIRouter
from pydantic import BaseModel, Field

from tollkeeper.config import SERVE_DEFAULTS, SERVE_OPTIONS, ServeSettings
from tollkeeper.sidecar.api.answer import Answer
from tollkeeper.sidecar.api.services import Given

router = APIRouter(tags=["system"])

HIDDEN: Final = "…"
_USER = re.compile(r"://.*@")
_SECRET = re.compile(r"([?&][^=&]*(?:pass|pwd|secret|token|key)[^=&]*=)[^&]*", re.IGNORECASE)


class Setting(BaseModel):
    """One option. What it is can be changed where it was set only, by starting the sidecar anew."""

    name: str = Field(examples=["retention_days"])
    value: Any = Field(description="Null where there is none; `…` in place of secrets.", examples=[90])
    is_default: bool = Field(description="Nobody has set it.")
    is_secret: bool
    set_by: str | None = Field(
        description="Where it was set; null for a default.", examples=["environment variable TOLLKEEPER_RETENTION_DAYS"]
    )
    variable: str | None = Field(description="The environment variable that sets it.")
    flag: str = Field(description="The argument of `tollkeeper serve` that sets it.", examples=["--retention-days"])
    meaning: str


class Settings(BaseModel):
    """All of them, in the order of the documentation."""

    settings: list[Setting]


@router.get("/settings", response_model=Settings, summary="The options of the sidecar")
def settings(given: Given) -> Answer:
    """As they are in force in this process."""
    return Answer(Settings(settings=_shown(given.settings)))


def _shown(settings: ServeSettings) -> list[Setting]:
    return [
        Setting(
            name=option.name,
            value=_value(getattr(settings, option.name), option.is_secret),
            is_default=getattr(settings, option.name) == getattr(SERVE_DEFAULTS, option.name),
            is_secret=option.is_secret,
            set_by=settings.set_by.get(option.name),
            variable=option.env,
            flag=f"--{option.name.replace('_', '-')}",
            meaning=option.meaning,
        )
        for option in SERVE_OPTIONS
    ]


def _value(value: Any, is_secret: bool) -> Any:
    if is_secret and value is not None:
        return HIDDEN
    if isinstance(value, str):
        return _SECRET.sub(rf"\1{HIDDEN}", _USER.sub(f"://{HIDDEN}@", value))
    return list(value) if isinstance(value, tuple) else value
