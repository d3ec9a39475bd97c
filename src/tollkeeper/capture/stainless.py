"""The SDKs that Stainless generates (openai, anthropic, groq) have one door: `request(cast_to, options, stream=…)`.

Every method of theirs goes through it: plain, parsed and streamed calls, stream helpers, raw and streaming responses,
tool runners, the Azure, Bedrock and Vertex clients, and resources that copy a method at import. So one wrap sees all.
"""

from __future__ import annotations

import copy
import sys
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from tollkeeper.capture import raw
from tollkeeper.capture.attribution import Tags, call_tags
from tollkeeper.capture.contract import Request, Surface, Target
from tollkeeper.capture.demand import is_open_ended
from tollkeeper.capture.denied import Denied, body_of, denied_as, never_let_through, response_of
from tollkeeper.capture.elsewhere import Elsewhere, own_headers
from tollkeeper.capture.errors import read_error
from tollkeeper.capture.identity import new_call_id
from tollkeeper.capture.observation import Fold, Observation
from tollkeeper.capture.payload import parse_json
from tollkeeper.capture.retries import before_retry
from tollkeeper.capture.stream import Tap
from tollkeeper.capture.watch import Watch, watch
from tollkeeper.config import Settings
from tollkeeper.model import Call, Denial
from tollkeeper.model.ladder import Endpoint as PolicyEndpoint
from tollkeeper.policy.wording import message_of

EMPTY: Mapping[str, Any] = {}

KNOWS_COMPLETION_TOKENS = frozenset(("openai", "azure.ai.openai"))
"""Whose reasoning models refuse `max_tokens`. Others that speak OpenAI's API know only that."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a client sends its calls, and what we know about that service."""

    provider: str
    address: str | None
    port: int | None
    location: str
    takes_include_usage: bool = True


class StainlessAdapter:
    """One Stainless-generated SDK."""

    def __init__(
        self,
        package: str,
        find_surface: Callable[[str, str], Surface | None],
        find_endpoint: Callable[[Any, Any], Endpoint],
        add_to_request: Callable[[Endpoint, Surface, Mapping[str, Any]], dict[str, Any] | None] | None = None,
        is_refusal: Callable[[Endpoint, BaseException], bool] | None = None,
        prefix: str = "",
    ) -> None:
        self.name = package
        self.targets: tuple[Target, ...] = (
            Target(f"{package}._base_client", "SyncAPIClient.request"),
            Target(f"{package}._base_client", "AsyncAPIClient.request", is_async=True),
            Target(f"{package}._base_client", "SyncAPIClient._sleep_for_retry", optional=True, wrap=before_retry),
            Target(
                f"{package}._base_client", "AsyncAPIClient._sleep_for_retry", True, optional=True, wrap=before_retry
            ),
        )
        self.default_tags: Tags = {}
        self._injects = True
        self._raw_classes: dict[type, bool] = {}
        self._elsewhere = Elsewhere(package)
        self._find_surface = find_surface
        self._find_endpoint = find_endpoint
        self._add_to_request = add_to_request
        self._is_refusal = is_refusal
        self._prefix = prefix
        """What the SDK's paths begin with, and those of other endpoints do not."""
        self._endpoints: weakref.WeakKeyDictionary[Any, tuple[Any, Endpoint]] = weakref.WeakKeyDictionary()

    def configure(self, settings: Settings) -> None:
        self.default_tags = settings.tags
        self._injects = settings.inject_usage
        self._endpoints.clear()
        self._elsewhere.clear()

    def endpoint(self, client: Any) -> Endpoint:
        """The endpoint of a client, found once for each base URL that it has."""
        base_url = client._base_url
        known = self._endpoints.get(client)
        if known is None or known[0] is not base_url:
            known = self._endpoints[client] = (base_url, self._find_endpoint(client, base_url))
        return known[1]

    def read_request(self, target: Target, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request | None:
        options = _options(args, kwargs)
        path = _path(options.url)
        surface = self._find_surface(options.method, path)
        if surface is None:
            return None
        endpoint = self.endpoint(args[0])
        body = options.json_data
        if type(body) is not dict:
            body = EMPTY
        if options.extra_json:
            body = {**body, **options.extra_json}
        headers = options.headers if isinstance(options.headers, Mapping) else None
        model = body.get("model")
        call = Call(
            id=new_call_id(),
            provider=endpoint.provider,
            operation=surface.operation,
            started_at=time.time_ns(),
            request_model=model if type(model) is str else None,
            endpoint=endpoint.location + path,
            server_address=endpoint.address,
            server_port=endpoint.port,
            stream=bool(kwargs.get("stream")),
            tags=call_tags(self.default_tags, body, headers),
        )
        surface.read_request(call, body)
        request = Request(call, surface, args, kwargs, body)
        if self._injects and self._add_to_request is not None and call.stream and not (headers and raw.is_raw(headers)):
            self._inject(request, endpoint, options)
        return request

    def _inject(self, request: Request, endpoint: Endpoint, options: Any) -> None:
        assert self._add_to_request is not None
        added = self._add_to_request(endpoint, request.surface, request.body)
        if added is None or type(options.json_data) is not dict:
            return
        request.original = (request.args, request.kwargs)
        request.args, request.kwargs = _with(request.args, request.kwargs, added)

    def cap_output(self, request: Request, tokens: int) -> bool:
        name, body = request.surface.output_cap, request.body
        if name is None or type(_options(request.args, request.kwargs).json_data) is not dict or is_open_ended(body):
            return False
        if name == "max_completion_tokens" and (
            request.call.provider not in KNOWS_COMPLETION_TOKENS or body.get("prediction") is not None
        ):
            name = "max_tokens"
        if name == "max_completion_tokens" and body.get("max_tokens") is not None:
            name = "max_tokens"  # both are refused
        if _thinks_of(body) >= tokens:
            return False
        added = {name: tokens}
        request.body = {**body, **added}
        request.args, request.kwargs = _with(request.args, request.kwargs, added)
        if request.original is not None:
            request.original = _with(*request.original, added)
        request.call.parameters["gen_ai.request.max_tokens"] = tokens
        return True

    def change_model(self, request: Request, model: str, endpoint: PolicyEndpoint | None) -> bool:
        args, kwargs = request.asked or request.original or (request.args, request.kwargs)
        options = _options(args, kwargs)
        if type(options.json_data) is not dict or "model" not in options.json_data:
            return False
        args, kwargs = _with(args, kwargs, {"model": model})
        if endpoint is not None:
            client = self._elsewhere.client(args[0], endpoint)
            if client is None:
                return False
            if endpoint.provider is not None:
                self._endpoints[client] = (client._base_url, replace(self.endpoint(client), provider=endpoint.provider))
            changed = _options(args, kwargs)
            changed.url = _path(options.url).removeprefix(self._prefix)
            changed.headers = own_headers(changed.headers)
            args = (client, *args[1:])
        other = self.read_request(self.targets[0], args, kwargs)
        if other is None:
            return False
        request.become(other)
        return True

    @never_let_through
    def denied(self, request: Request, denial: Denial) -> Denied:
        body = self.error_body(denial)
        scheme = request.args[0]._base_url.scheme
        response = response_of(_http_of(self.name), request.call, denial, body, scheme)
        kind = denied_as(sys.modules[self.name].RateLimitError)
        return kind.of(denial, message_of(denial), response=response, body=self.error_said(body))

    def error_body(self, denial: Denial) -> dict[str, Any]:
        """What the service answers with status 429."""
        return body_of(denial)

    def error_said(self, body: dict[str, Any]) -> Any:
        """What of it the SDK's error has as its `body`."""
        return body

    def refused(self, request: Request, error: BaseException) -> bool:
        if self._is_refusal is None or not self._is_refusal(self.endpoint(request.args[0]), error):
            return False
        request.original = None
        return True

    def read_error(self, call: Call, error: BaseException) -> None:
        read_error(call, error)

    def read_stream_error(self, fold: Fold, error: BaseException) -> None:
        """Let the fold see the event that the SDK has turned into `error`: it does not hand it on to anybody."""
        failed_with = getattr(fold, "failed_with", None)
        if failed_with is not None and (event := _last_event(error)) is not None:
            failed_with(event)

    def _is_raw(self, answer: Any) -> bool:
        """Whether this is an SDK's raw response; known by its class, as models are slow to say what they lack."""
        kind = type(answer)
        known = self._raw_classes.get(kind)
        if known is None:
            known = self._raw_classes[kind] = getattr(answer, "http_response", None) is not None
        return known

    def receive(self, observation: Observation, answer: Any) -> Any:
        request, surface = observation.request, observation.request.surface
        if request.call.stream and hasattr(answer, "_iterator"):
            observation.call.status_code = 200
            iterator = answer._iterator
            fold = surface.fold(request) if surface.fold is not None else raw.Nothing()
            tap = Tap(iterator, observation, fold)
            answer._iterator = tap if hasattr(iterator, "__anext__") else tap.generator()
            response = getattr(answer, "response", None) or getattr(answer, "http_response", None)
            if response is not None:
                watch(response, Watch(observation, iterator=iterator))
        elif self._is_raw(answer):
            response = answer.http_response
            observation.call.status_code = response.status_code
            raw.receive(observation, response)
        else:
            observation.call.status_code = 200
            raw.read_whole(request, answer)
            observation.end()
        return answer


def _http_of(package: str) -> Any:
    """The HTTP library of an SDK, by which its errors hold a response: httpx, or its successor."""
    module = sys.modules[f"{package}._exceptions"]
    return getattr(module, "httpx2", None) or module.httpx


def _options(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return kwargs["options"] if "options" in kwargs else args[2]


def _with(
    args: tuple[Any, ...], kwargs: dict[str, Any], added: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The same call with more in its body. The caller's own objects are left as they are."""
    changed = copy.copy(_options(args, kwargs))
    changed.json_data = {**changed.json_data, **added}
    if changed.extra_json and not added.keys().isdisjoint(changed.extra_json):
        changed.extra_json = {**changed.extra_json, **added}
    if "options" in kwargs:
        return args, {**kwargs, "options": changed}
    return (*args[:2], changed, *args[3:]), kwargs


def _thinks_of(body: Mapping[str, Any]) -> int:
    """How many tokens Anthropic's thinking may take, of which it refuses a budget above the cap."""
    thinking = body.get("thinking")
    budget = thinking.get("budget_tokens") if isinstance(thinking, Mapping) else None
    return budget if type(budget) is int else -1


def _path(url: str) -> str:
    """The path below a client's base URL. Batch results have a whole URL; a caller's own request may lack the slash."""
    if "://" in url:
        return urlsplit(url).path
    return url if url.startswith("/") else f"/{url}"


def _last_event(error: BaseException) -> Any:
    """The event at which the SDK's `__stream__` has raised, read from its frame: it is nowhere else."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_name == "__stream__":
            data = getattr(trace.tb_frame.f_locals.get("sse"), "data", None)
            return parse_json(data) if isinstance(data, str) else None
        trace = trace.tb_next
    return None
