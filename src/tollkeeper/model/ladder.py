"""What is done as a limit fills: the steps of a ladder, the emergency, and where calls go whose provider fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from tollkeeper.model.limit import EVERY_CALL, Limit, Match

Do = Literal["alert", "cheaper", "cap_output", "shed", "throttle", "emergency", "deny"]
DOINGS: tuple[Do, ...] = get_args(Do)

Priority = Literal["critical", "high", "normal", "low"]
"""How much a call matters: its tag `priority`. One without it, or with another word, is `normal`."""
PRIORITIES: tuple[Priority, ...] = get_args(Priority)
SHEDDABLE: tuple[Priority, ...] = ("high", "normal", "low")
"""Critical calls are never shed."""

Api = Literal["openai", "anthropic"]
Failure = Literal["5xx", "429", "timeout", "connection", "open_circuit"]
FAILURES: tuple[Failure, ...] = get_args(Failure)

HYSTERESIS = 5


def priority_of(tags: Mapping[str, str]) -> Priority:
    """What the tag says."""
    said = tags.get("priority")
    return next((each for each in PRIORITIES if each == said), "normal")


@dataclass(frozen=True, slots=True)
class Step:
    """What is done from `at` percent of the limit's amount on.

    `models`: by globs of what is asked for, the model that is asked instead; one of another endpoint is `groq:llama-3`.
    `tokens` is the most output; `priorities` are those that are not sent any more; `throttle` is one more limit, which
    binds the calls that the ladder is for.
    """

    at: int
    do: Do
    models: Mapping[str, str] = field(default_factory=dict)
    tokens: int | None = None
    priorities: tuple[Priority, ...] = ()
    throttle: Limit | None = None


@dataclass(frozen=True, slots=True)
class Ladder:
    """What is done as the limit of this name fills, for those who share its usage. Steps are in the order of `at`.

    A step is left when the usage is `hysteresis` percentage points below it.
    """

    limit: str
    steps: tuple[Step, ...]
    hysteresis: int = HYSTERESIS


@dataclass(frozen=True, slots=True)
class Emergency:
    """What is done for all calls while there is an emergency. Critical ones are neither shed nor throttled."""

    models: Mapping[str, str] = field(default_factory=dict)
    tokens: int | None = None
    shed: tuple[Priority, ...] = ()
    throttle: Limit | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One more place that speaks an SDK's API. `api_key_env` is the environment variable that has its key.

    `provider` is by which its calls are priced and limited; found by the host if it is empty.
    """

    name: str
    base_url: str
    api_key_env: str | None = None
    provider: str | None = None
    api: Api = "openai"


@dataclass(frozen=True, slots=True)
class Fallback:
    """Where calls go whose provider has failed in one of these ways: the models, in this order."""

    to: tuple[str, ...]
    match: Match = EVERY_CALL
    on: tuple[Failure, ...] = FAILURES
