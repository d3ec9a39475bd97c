"""SDKs that have no one door: the methods that are calls are wrapped one by one, each described by what it asks."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tollkeeper.capture.attribution import Tags, call_tags
from tollkeeper.capture.contract import Request, Surface, Target
from tollkeeper.capture.demand import is_open_ended
from tollkeeper.capture.denied import Denied, never_let_through
from tollkeeper.capture.errors import read_error
from tollkeeper.capture.identity import new_call_id
from tollkeeper.capture.model_keyword import ask_model
from tollkeeper.capture.observation import Observation
from tollkeeper.config import Settings
from tollkeeper.model import Call, Denial
from tollkeeper.model.ladder import Endpoint


@dataclass(frozen=True, slots=True)
class Asked:
    """What the arguments of one method call say. `send_with` replaces its keyword arguments, where they must differ."""

    surface: Surface
    base_url: str
    path: str
    body: Mapping[str, Any]
    stream: bool = False
    headers: Mapping[str, Any] | None = None
    provider: str | None = None
    send_with: dict[str, Any] | None = None


Ask = Callable[[Target, tuple[Any, ...], dict[str, Any]], Asked | None]
TapStream = Callable[[Observation, Any], Any]
ReadError = Callable[[Call, BaseException], None]
Deny = Callable[[Request, Denial], Denied]
CapOutput = Callable[[Request, int], bool]


def with_field(value: Any, name: str, item: Any) -> Any:
    """A copy of a dict, or of an SDK's model, or a new dict for what is neither, in which the field is this."""
    if isinstance(value, Mapping):
        return {**value, name: item}
    return value.model_copy(update={name: item}) if hasattr(value, "model_copy") else {name: item}


def cap_keyword(request: Request, tokens: int) -> bool:
    """Cap by a keyword argument, which the surface names. The caller's own objects are left as they are."""
    name = request.surface.output_cap
    if name is None or is_open_ended(request.body):
        return False
    request.kwargs = {**request.kwargs, name: tokens}
    return True


class MethodAdapter:
    """One SDK whose methods are wrapped one by one.

    `ask` says what a method call asks for, or that it is none that is metered. `tap_stream` watches the stream that a
    streaming method gives, and returns what the caller gets. `deny` makes the error of a call that is not sent.
    """

    def __init__(
        self,
        name: str,
        provider: str,
        targets: tuple[Target, ...],
        ask: Ask,
        tap_stream: TapStream,
        deny: Deny,
        read_error: ReadError = read_error,
        cap_output: CapOutput = cap_keyword,
    ) -> None:
        self.name = name
        self.targets = targets
        self.default_tags: Tags = {}
        self._provider = provider
        self._ask = ask
        self._tap_stream = tap_stream
        self._deny = deny
        self._read_error = read_error
        self._cap_output = cap_output

    def configure(self, settings: Settings) -> None:
        self.default_tags = settings.tags

    def read_request(self, target: Target, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request | None:
        asked = self._ask(target, args, kwargs)
        if asked is None:
            return None
        address, port, location = _place(asked.base_url)
        model = asked.body.get("model")
        call = Call(
            id=new_call_id(),
            provider=asked.provider or self._provider,
            operation=asked.surface.operation,
            started_at=time.time_ns(),
            request_model=model if type(model) is str else None,
            endpoint=location + asked.path,
            server_address=address,
            server_port=port,
            stream=asked.stream,
            tags=call_tags(self.default_tags, asked.body, asked.headers),
        )
        asked.surface.read_request(call, asked.body)
        return Request(call, asked.surface, args, kwargs if asked.send_with is None else asked.send_with, asked.body)

    def cap_output(self, request: Request, tokens: int) -> bool:
        if not self._cap_output(request, tokens):
            return False
        request.call.parameters["gen_ai.request.max_tokens"] = tokens
        return True

    def change_model(self, request: Request, model: str, endpoint: Endpoint | None) -> bool:
        return endpoint is None and ask_model(request, model)

    @never_let_through
    def denied(self, request: Request, denial: Denial) -> Denied:
        return self._deny(request, denial)

    def refused(self, request: Request, error: BaseException) -> bool:
        """Nothing is added to a request here, so nothing of ours can be refused."""
        return False

    def read_error(self, call: Call, error: BaseException) -> None:
        self._read_error(call, error)

    def receive(self, observation: Observation, answer: Any) -> Any:
        if observation.call.stream:
            return self._tap_stream(observation, answer)
        observation.call.status_code = 200
        observation.request.surface.read_response(observation.call, answer)
        observation.end()
        return answer


@functools.lru_cache(maxsize=256)
def _place(base_url: str) -> tuple[str | None, int, str]:
    """Host, port, and host with path, of the URL that a client was given."""
    parts = urlsplit(base_url)
    port = parts.port or (80 if parts.scheme == "http" else 443)
    return parts.hostname, port, f"{parts.hostname or ''}{parts.path.rstrip('/')}"
