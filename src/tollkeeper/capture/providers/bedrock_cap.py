"""How many tokens an answer of Bedrock may have: each maker of models has its own name for that in its own body.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tollkeeper.capture.demand import is_open_ended
from tollkeeper.capture.payload import parse_json

BY_MAKER: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("amazon.nova", ("inferenceConfig", "maxTokens")),
    ("amazon.titan-text", ("textGenerationConfig", "maxTokenCount")),
    ("anthropic.", ("max_tokens",)),
    ("meta.llama", ("max_gen_len",)),
    ("openai.", ("max_completion_tokens",)),
    ("ai21.j2", ("maxTokens",)),
    *(
        (maker, ("max_tokens",))
        for maker in ("ai21.jamba", "cohere.command", "deepseek.", "mistral.", "qwen.", "writer.")
    ),
)
"""Where in the body it is said, by what the model's id has in it."""

OTHER_NAMES = ("maxTokens", "max_new_tokens")
"""Nova takes both; which of them counts is not said."""


def capped(is_converse: bool, params: Mapping[str, Any], tokens: int) -> dict[str, Any] | None:
    """The same arguments with so many tokens of output at the most; `None` where nobody can tell how to say that."""
    if is_converse:
        if is_open_ended(params):
            return None
        return {**params, "inferenceConfig": {**(params.get("inferenceConfig") or {}), "maxTokens": tokens}}
    body = params.get("body")
    parsed = (
        parse_json(body if isinstance(body, str) else bytes(body))
        if isinstance(body, str | bytes | bytearray)
        else None
    )
    if not isinstance(parsed, dict) or is_open_ended(parsed):
        return None
    path = _path(str(params.get("modelId") or ""), parsed)
    if path is None:
        return None
    _put(parsed, path, tokens)
    return {**params, "body": json.dumps(parsed)}


def _path(model: str, body: Mapping[str, Any]) -> tuple[str, ...] | None:
    if model.startswith("anthropic.") or "anthropic." in model or "anthropic_version" in body:
        return ("max_tokens",) if "messages" in body else ("max_tokens_to_sample",)
    return next((path for maker, path in BY_MAKER if maker in model), None)


def _put(body: dict[str, Any], path: tuple[str, ...], tokens: int) -> None:
    """Put the number in, or a smaller one that is there: a large body was not read before."""
    *outer, name = path
    inner = body
    for part in outer:
        inner = inner.setdefault(part, {})
    for other in OTHER_NAMES:
        if outer and other != name and other in inner:
            name = other
    said = inner.get(name)
    inner[name] = min(said, tokens) if type(said) is int and said >= 0 else tokens
