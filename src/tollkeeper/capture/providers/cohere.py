"""Cohere, versions 1 and 2 of its API, through its own SDK.

Every method of its clients goes through the one of the same name in a "raw" client, which is also what
`with_raw_response` gives; so those are wrapped. A raw stream is a context manager, entered when it is first read.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable
from typing import Any

from tollkeeper.capture.contract import Adapter, Request, Surface, Target
from tollkeeper.capture.denied import Denied, body_of, denied_as, headers_of
from tollkeeper.capture.emit import Emitter
from tollkeeper.capture.lazy import ClosedSoon, GeneratorTap, wrap_manager
from tollkeeper.capture.methods import Asked, MethodAdapter, cap_keyword
from tollkeeper.capture.observation import Observation
from tollkeeper.capture.providers.cohere_answers import (
    StreamFold,
    read_request,
    read_response,
)
from tollkeeper.capture.retries import admit_again, call_in_progress
from tollkeeper.capture.watch import watch
from tollkeeper.model import Denial
from tollkeeper.policy.wording import message_of

V1, V2, CLIENT = "cohere.raw_base_client", "cohere.v2.raw_client", "cohere.client"
HTTP = "cohere.core.http_client"

CHAT = Surface("chat", read_request, read_response, StreamFold, output_cap="max_tokens")
COMPLETION = Surface("text_completion", read_request, read_response, StreamFold, output_cap="max_tokens")
EMBEDDINGS = Surface("embeddings", read_request, read_response)
RERANK = Surface("rerank", read_request, read_response)

METHODS = (
    (V2, "RawV2Client", "chat", "/v2/chat", CHAT),
    (V2, "RawV2Client", "chat_stream", "/v2/chat", CHAT),
    (V2, "RawV2Client", "embed", "/v2/embed", EMBEDDINGS),
    (V2, "RawV2Client", "rerank", "/v2/rerank", RERANK),
    (V1, "RawBaseCohere", "chat", "/v1/chat", CHAT),
    (V1, "RawBaseCohere", "chat_stream", "/v1/chat", CHAT),
    (V1, "RawBaseCohere", "generate", "/v1/generate", COMPLETION),
    (V1, "RawBaseCohere", "generate_stream", "/v1/generate", COMPLETION),
    (V1, "RawBaseCohere", "embed", "/v1/embed", EMBEDDINGS),
    (V1, "RawBaseCohere", "rerank", "/v1/rerank", RERANK),
    # Sends a long list of texts in pieces, from threads of its own. It is one call, and its answer has the sum.
    (CLIENT, "Client", "embed", "/v1/embed", EMBEDDINGS),
)
NOT_COHERE = "n/a"
"""The API key, and the name, of the SDK's clients for AWS and OCI. They only look as if they asked api.cohere.com."""


ANSWERED = 500
"""Any error will do: none is billed."""


class Piece(dict[str, Any]):
    """The `request_options` of a request that is a piece of a call which is already observed, in whatever thread."""

    def __init__(self, options: dict[str, Any]) -> None:
        super().__init__(options)
        self.observation: Observation | None = None
        self.lock = threading.Lock()
        """All pieces hold one thing together: they ask for more one after the other."""


def note_pieces(original: Callable[..., Any], target: Target, adapter: Adapter, emitter: Emitter) -> Callable[..., Any]:
    """Has the pieces of a call know it, as no context comes along to the SDK's threads."""

    @functools.wraps(original)
    def embed(*args: Any, **kwargs: Any) -> Any:
        options = kwargs.get("request_options")
        if type(options) is Piece:
            options.observation = call_in_progress(adapter, emitter)
        return original(*args, **kwargs)

    return embed


def before_request(
    original: Callable[..., Any], target: Target, adapter: Adapter, emitter: Emitter
) -> Callable[..., Any]:
    """`request` of the SDK's HTTP client calls itself for a further attempt, and says which of them it is."""

    def admit(kwargs: dict[str, Any]) -> None:
        options = kwargs.get("request_options")
        if type(options) is Piece and options.observation is not None:
            with options.lock:
                _admit_again(options.observation, target)
        elif (observation := call_in_progress(adapter, emitter)) is not None:
            _admit_again(observation, target)

    @functools.wraps(original)
    def request(*args: Any, **kwargs: Any) -> Any:
        if kwargs.get("retries"):
            admit(kwargs)
        return original(*args, **kwargs)

    return request


def _admit_again(observation: Observation, target: Target) -> None:
    """After an attempt that was not answered, the SDK sends the next one while it handles the error."""
    error = sys.exc_info()[1]
    if isinstance(error, sys.modules[target.module].httpx.TransportError):
        admit_again(observation, None, error)
    else:
        admit_again(observation, ANSWERED, None)


def _targets() -> tuple[tuple[Target, ...], dict[str, tuple[str, Surface, bool]]]:
    # The first is wrapped again below: it runs inside of the call that it is to note.
    targets = [
        Target(CLIENT, "Client.embed", optional=True, wrap=note_pieces),
        Target(HTTP, "HttpClient.request", optional=True, wrap=before_request),
        Target(HTTP, "AsyncHttpClient.request", is_async=True, optional=True, wrap=before_request),
    ]
    described = {}
    for module, owner, method, url, surface in METHODS:
        is_stream = method.endswith("_stream")
        for prefix in ("", "Async"):
            path = f"{prefix}{owner}.{method}"
            targets.append(Target(module, path, is_async=bool(prefix), wrap=wrap_manager if is_stream else None))
            described[path] = (url, surface, is_stream)
    return tuple(targets), described


TARGETS, DESCRIBED = _targets()


def ask(target: Target, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Asked | None:
    """The methods take keyword arguments only; those that the caller left out are `...`."""
    wrapper = args[0]._client_wrapper
    options = kwargs.get("request_options")
    if type(options) is Piece or wrapper._token == NOT_COHERE:
        return None
    url, surface, stream = DESCRIBED[target.path]
    in_pieces = target.module == CLIENT
    body = {name: value for name, value in kwargs.items() if value is not ... and name != "request_options"}
    body |= _added(options)
    return Asked(
        surface,
        wrapper.get_base_url(),
        url,
        body,
        stream=stream,
        headers=options.get("additional_headers") if isinstance(options, dict) else None,
        send_with={**kwargs, "request_options": Piece(options or {})} if in_pieces else None,
    )


def _added(options: Any) -> dict[str, Any]:
    """What the caller adds to the body by hand. It goes over the arguments."""
    return (options.get("additional_body_parameters") if isinstance(options, dict) else None) or {}


def tap_stream(observation: Observation, answer: Any) -> Any:
    observation.call.status_code = 200
    events = answer._data
    answer._data = GeneratorTap(events, observation, StreamFold(observation.request))
    watch(answer._response, ClosedSoon(observation, iterator=events))
    return answer


def deny(request: Request, denial: Denial) -> Denied:
    kind = denied_as(sys.modules["cohere"].TooManyRequestsError)
    return kind.of(denial, {"message": message_of(denial), **body_of(denial)}, headers_of(denial))


def cap_output(request: Request, tokens: int) -> bool:
    added = _added(request.kwargs.get("request_options"))
    return request.surface.output_cap not in added and cap_keyword(request, tokens)


ADAPTER = MethodAdapter("cohere", "cohere", TARGETS, ask, tap_stream, deny, cap_output=cap_output)
