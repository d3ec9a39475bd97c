"""Mistral, through its own SDK, its clients for Azure and Google Cloud included."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from typing import Any

from tollkeeper.capture.contract import Request, Surface, Target
from tollkeeper.capture.demand import is_open_ended
from tollkeeper.capture.denied import Denied, body_of, denied_as, response_of
from tollkeeper.capture.methods import Asked, MethodAdapter, cap_keyword, with_field
from tollkeeper.capture.observation import Observation
from tollkeeper.capture.payload import parse_json
from tollkeeper.capture.providers.mistralai_answers import (
    ChatFold,
    ConversationFold,
    TranscriptionFold,
    read_chat_response,
    read_conversation,
    read_conversation_request,
    read_plain_response,
    read_request,
    read_transcription,
)
from tollkeeper.capture.retries import between_attempts
from tollkeeper.capture.stream import Tap
from tollkeeper.capture.watch import Watch, watch
from tollkeeper.model import Denial

CHAT = Surface("chat", read_request, read_chat_response, ChatFold, output_cap="max_tokens")
COMPLETION = Surface("text_completion", read_request, read_chat_response, ChatFold, output_cap="max_tokens")
EMBEDDINGS = Surface("embeddings", read_request, read_plain_response)
MODERATION = Surface("moderation", read_request, read_plain_response)
TRANSCRIPTION = Surface("transcription", read_request, read_transcription, TranscriptionFold)
CONVERSATION = Surface("chat", read_conversation_request, read_conversation, ConversationFold)

OWN, AZURE, GOOGLE = "mistralai.client", "mistralai.azure.client", "mistralai.gcp.client"
PROVIDERS = {AZURE: "azure.ai.inference", GOOGLE: "gcp.vertex_ai"}
PACKAGES = {provider: package for package, provider in PROVIDERS.items()}

METHODS = (
    # `parse` goes through `complete`, `parse_stream` through `stream`, `run_async` through `start_async`.
    (OWN, "chat", "Chat.complete", "/v1/chat/completions", CHAT),
    (OWN, "chat", "Chat.stream", "/v1/chat/completions", CHAT),
    (OWN, "fim", "Fim.complete", "/v1/fim/completions", COMPLETION),
    (OWN, "fim", "Fim.stream", "/v1/fim/completions", COMPLETION),
    (OWN, "agents", "Agents.complete", "/v1/agents/completions", CHAT),
    (OWN, "agents", "Agents.stream", "/v1/agents/completions", CHAT),
    (OWN, "embeddings", "Embeddings.create", "/v1/embeddings", EMBEDDINGS),
    (OWN, "classifiers", "Classifiers.moderate", "/v1/moderations", MODERATION),
    (OWN, "classifiers", "Classifiers.moderate_chat", "/v1/chat/moderations", MODERATION),
    (OWN, "transcriptions", "Transcriptions.complete", "/v1/audio/transcriptions", TRANSCRIPTION),
    (OWN, "transcriptions", "Transcriptions.stream", "/v1/audio/transcriptions", TRANSCRIPTION),
    (OWN, "conversations", "Conversations.start", "/v1/conversations", CONVERSATION),
    (OWN, "conversations", "Conversations.start_stream", "/v1/conversations", CONVERSATION),
    (OWN, "conversations", "Conversations.append", "/v1/conversations/{conversation_id}", CONVERSATION),
    (OWN, "conversations", "Conversations.append_stream", "/v1/conversations/{conversation_id}", CONVERSATION),
    (OWN, "conversations", "Conversations.restart", "/v1/conversations/{conversation_id}/restart", CONVERSATION),
    (OWN, "conversations", "Conversations.restart_stream", "/v1/conversations/{conversation_id}/restart", CONVERSATION),
    (AZURE, "chat", "Chat.complete", "/models/chat/completions", CHAT),
    (AZURE, "chat", "Chat.stream", "/models/chat/completions", CHAT),
    (GOOGLE, "chat", "Chat.complete", "/rawPredict", CHAT),
    (GOOGLE, "chat", "Chat.stream", "/streamRawPredict", CHAT),
    (GOOGLE, "fim", "Fim.complete", "/rawPredict", COMPLETION),
    (GOOGLE, "fim", "Fim.stream", "/streamRawPredict", COMPLETION),
)

NOT_SENT = frozenset(("retries", "server_url", "timeout_ms", "http_headers"))
"""Arguments that are for the SDK itself."""

Described = tuple[str, Surface, bool, str | None]


def _targets() -> tuple[tuple[Target, ...], dict[tuple[str, str], Described]]:
    targets, described = [], {}
    for package, name, method, url, surface in METHODS:
        for suffix in ("", "_async"):
            module, path = f"{package}.{name}", method + suffix
            targets.append(Target(module, path, is_async=bool(suffix), optional=package is not OWN))
            described[module, path] = (url, surface, method.endswith("stream"), PROVIDERS.get(package))
    for package in (OWN, AZURE, GOOGLE):
        for suffix in ("", "_async"):
            path = f"retry_with_backoff{suffix}"
            targets.append(Target(f"{package}.utils.retries", path, bool(suffix), True, between_attempts))
    return tuple(targets), described


TARGETS, DESCRIBED = _targets()


def ask(target: Target, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Asked | None:
    """The methods take keyword arguments only."""
    url, surface, stream, provider = DESCRIBED[target.module, target.path]
    base_url = kwargs.get("server_url") or args[0].sdk_configuration.get_server_details()[0]
    body = kwargs
    if not NOT_SENT.isdisjoint(kwargs):
        body = {name: value for name, value in kwargs.items() if name not in NOT_SENT}
    return Asked(surface, base_url, url, body, stream, kwargs.get("http_headers"), provider)


def tap_stream(observation: Observation, answer: Any) -> Any:
    """The SDK's `EventStream` reads from its `generator`; leaving its `with` block closes the response."""
    observation.call.status_code = 200
    request, events = observation.request, answer.generator
    if any(isinstance(request.body.get(name), Iterator) for name in ("messages", "inputs")):
        # The SDK has used up the caller's generator. What it held is in the request as sent, for an estimate.
        request.body = parse_json(answer.response.request.content) or request.body
    assert request.surface.fold is not None
    answer.generator = Tap(events, observation, request.surface.fold(request))
    watch(answer.response, Watch(observation, iterator=events))
    return answer


def deny(request: Request, denial: Denial) -> Denied:
    """The SDK's package for each platform has an error of its own."""
    package = PACKAGES.get(request.call.provider, OWN)
    error = importlib.import_module(f"{package}.errors").SDKError
    said = body_of(denial)["error"]
    body = {"object": "error", **said, "type": "rate_limited"}
    response = response_of(sys.modules[error.__module__].httpx, request.call, denial, body)
    return denied_as(error).of(denial, "API error occurred", response, response.text)


def cap_output(request: Request, tokens: int) -> bool:
    if request.surface is not CONVERSATION:
        return cap_keyword(request, tokens)
    if is_open_ended(request.body):
        return False
    arguments = with_field(request.kwargs.get("completion_args"), "max_tokens", tokens)
    request.kwargs = {**request.kwargs, "completion_args": arguments}
    return True


ADAPTER = MethodAdapter("mistralai", "mistral_ai", TARGETS, ask, tap_stream, deny, cap_output=cap_output)
