"""Errors, each in the form that its provider uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tollkeeper.simulator.exchange import Answer, Refused, event, json_answer, json_bytes
from tollkeeper.simulator.knobs import Knobs
from tollkeeper.simulator.world import World

MESSAGES = {
    400: "The request is not valid.",
    401: "The API key is not valid.",
    403: "The API key may not do this.",
    404: "There is nothing of this name.",
    408: "The request took too long.",
    413: "The request is too large.",
    429: "The rate limit is reached.",
    500: "The server had an error.",
    503: "The service is unavailable.",
    529: "The service is overloaded.",
}
WAIT_STATUSES = (429, 503, 529)


def openai(error: Refused, request_id: str) -> dict[str, Any]:
    kind, code = {
        400: ("invalid_request_error", None),
        401: ("invalid_request_error", "invalid_api_key"),
        403: ("invalid_request_error", "permission_denied"),
        404: ("invalid_request_error", "model_not_found"),
        429: ("requests", "rate_limit_exceeded"),
    }.get(error.status, ("server_error", None))
    return {"error": {"message": error.message, "type": kind, "param": error.param, "code": error.code or code}}


def anthropic(error: Refused, request_id: str) -> dict[str, Any]:
    kind = {
        400: "invalid_request_error",
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        529: "overloaded_error",
    }.get(error.status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": error.message}, "request_id": request_id}


def google(error: Refused, request_id: str) -> dict[str, Any]:
    kind = {
        400: "INVALID_ARGUMENT",
        401: "UNAUTHENTICATED",
        403: "PERMISSION_DENIED",
        404: "NOT_FOUND",
        429: "RESOURCE_EXHAUSTED",
        503: "UNAVAILABLE",
    }.get(error.status, "INTERNAL")
    return {"error": {"code": error.status, "message": error.message, "status": kind}}


def ollama(error: Refused, request_id: str) -> dict[str, Any]:
    return {"error": error.message}


def message_only(error: Refused, request_id: str) -> dict[str, Any]:
    return {"message": error.message}


def openrouter(error: Refused, request_id: str) -> dict[str, Any]:
    return {"error": {"message": error.message, "code": error.status}}


def mistral(error: Refused, request_id: str) -> dict[str, Any]:
    kind = {401: "unauthorized", 404: "not_found", 429: "rate_limited"}.get(error.status, "invalid_request_error")
    return {"object": "error", "message": error.message, "type": kind, "param": error.param, "code": error.code}


FORMS: dict[str, Callable[[Refused, str], dict[str, Any]]] = {
    "openai": openai,
    "anthropic": anthropic,
    "gemini": google,
    "vertex": google,
    "ollama": ollama,
    "bedrock": message_only,
    "cohere": message_only,
    "openrouter": openrouter,
    "mistral": mistral,
}
"""Who is not listed speaks OpenAI's."""

REQUEST_ID = {"anthropic": "request-id", "bedrock": "x-amzn-requestid"}
AMAZON_TYPES = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
}


def refusal(error: Refused, form: str, knobs: Knobs, world: World) -> Answer:
    """The whole answer to a request that is refused."""
    error.message = error.message or MESSAGES.get(error.status, f"Status {error.status}.")
    request_id = world.new_id("req_")
    headers = {REQUEST_ID.get(form, "x-request-id"): request_id}
    if error.status in WAIT_STATUSES:
        headers["retry-after"] = f"{knobs.retry_after:g}"
    if form == "bedrock":
        headers["x-amzn-errortype"] = AMAZON_TYPES.get(error.status, "InternalServerException")
    return json_answer(FORMS.get(form, openai)(error, request_id), error.status, headers)


def failure(status: int, form: str, content_type: str, world: World) -> bytes:
    """The last piece of a stream that fails on its way."""
    error = Refused(status, MESSAGES.get(status, f"Status {status}."))
    body = FORMS.get(form, openai)(error, world.new_id("req_"))
    if "ndjson" in content_type:
        return json_bytes(body) + b"\n"
    return event(body, "error" if form == "anthropic" else None)
