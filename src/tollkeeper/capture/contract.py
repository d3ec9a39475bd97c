"""What a provider's file has to answer. One file per SDK; it imports no SDK, and nothing of ours but nouns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tollkeeper.capture.denied import Denied
from tollkeeper.capture.observation import Fold, Observation
from tollkeeper.config import Settings
from tollkeeper.model import Call, Denial, Limit, Operation
from tollkeeper.model.ladder import Endpoint, Fallback
from tollkeeper.telemetry.attributes import NOTES, PROMPT_DIGEST


@dataclass(frozen=True, slots=True)
class Target:
    """One function of an SDK to wrap: `module` and the dotted path inside it.

    `is_async`: it must be awaited. `optional`: older or newer SDKs may lack it. `wrap` is there where the function is
    no call, but something through which calls can be seen: it makes the wrapper instead of the flow.
    """

    module: str
    path: str
    is_async: bool = False
    optional: bool = False
    wrap: Callable[[Callable[..., Any], Target, Any, Any], Callable[..., Any]] | None = None


@dataclass(frozen=True, slots=True)
class Surface:
    """One kind of call: its operation, and how to read what is asked and what is answered."""

    operation: Operation
    read_request: Callable[[Call, Mapping[str, Any]], None]
    read_response: Callable[[Call, Any], None]
    fold: Callable[[Request], Fold] | None = None
    read_results: Callable[[Request, Iterable[Any]], None] | None = None
    """Where the answer holds results of other calls: puts those calls into the request's `further`."""
    output_cap: str | None = None
    """The parameter of the request that says how many tokens an answer may have at the most."""


@dataclass(slots=True)
class Request:
    """One call that is about to be sent: the `Call` as far as it is known, and what to give the SDK."""

    call: Call
    surface: Surface
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    body: Mapping[str, Any] = field(default_factory=dict)
    further: list[Call] = field(default_factory=list)
    """Calls that the answer tells of, to be recorded beside it."""
    original: tuple[tuple[Any, ...], dict[str, Any]] | None = None
    """The caller's own arguments, where what is sent differs from them: to be sent instead if the provider objects."""
    attempt: int = 1
    """How often it was admitted, or asked to be: each has an id of its own."""
    steps: tuple[str, ...] = ()
    """The steps of the policy that had a part in what is sent: `cheaper`, `cap_output`, `fallback` …"""
    throttles: tuple[Limit, ...] = ()
    """Limits that bind it because of those steps."""
    output_tokens: int | None = None
    """The most output, because of those steps."""
    asked: tuple[tuple[Any, ...], dict[str, Any]] | None = None
    """The caller's own arguments, where another model is asked."""
    fallback: Fallback | None = None
    alternatives: Iterator[str] | None = None
    """Makes it, each time, a request for the next model of that fallback."""

    def become(self, other: Request) -> None:
        """Be sent as another, as the same call of the same caller."""
        call, told = self.call, other.call
        self.asked = self.asked or self.original or (self.args, self.kwargs)
        self.args, self.kwargs, self.original = other.args, other.kwargs, other.original
        self.body, self.surface = other.body, other.surface
        call.provider, call.request_model, call.endpoint = told.provider, told.request_model, told.endpoint
        call.server_address, call.server_port = told.server_address, told.server_port
        ours = {name: value for name, value in call.parameters.items() if name in NOTES or name == PROMPT_DIGEST}
        call.parameters = {**told.parameters, **ours}


class Adapter(Protocol):
    """What one SDK knows about its own calls."""

    name: str
    targets: tuple[Target, ...]

    def configure(self, settings: Settings) -> None:
        """Take what this SDK needs of the settings."""

    def read_request(self, target: Target, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request | None:
        """The call in these arguments; `None` where they are no call that is metered."""

    def cap_output(self, request: Request, tokens: int) -> bool:
        """Have the answer be no longer than so many tokens. False: this kind of call has no such parameter."""

    def change_model(self, request: Request, model: str, endpoint: Endpoint | None) -> bool:
        """Have another model answer; without an endpoint, one of the same provider. False: it cannot be done."""

    def denied(self, request: Request, denial: Denial) -> Denied:
        """The error for a call that is not sent: also the SDK's own for an answer of status 429."""

    def refused(self, request: Request, error: BaseException) -> bool:
        """Whether the provider objects to what we added to the request; it is then sent as the caller wrote it."""

    def read_error(self, call: Call, error: BaseException) -> None:
        """The status and type of a failed call."""

    def receive(self, observation: Observation, answer: Any) -> Any:
        """Read an answer, or tap it if it is a stream. Returns what the caller gets: the very object, as a rule."""
