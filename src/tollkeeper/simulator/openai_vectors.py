"""OpenAI's smaller surfaces: embeddings, moderations, and the list of models."""

from __future__ import annotations

import base64
from array import array
from typing import Any

from tollkeeper.simulator.answers import chance_of, count_tokens, existing, words_of
from tollkeeper.simulator.exchange import Answer, Refused, Request, json_answer
from tollkeeper.simulator.models import MODELS
from tollkeeper.simulator.openai_chat import model_of
from tollkeeper.simulator.world import World

DIMENSIONS = 768
CATEGORIES = ("harassment", "hate", "illicit", "self-harm", "sexual", "violence")


def embeddings(request: Request, world: World) -> Answer:
    """POST /embeddings"""
    body, model = request.object(), model_of(request)
    texts = each_text(body.get("input"))
    if not texts:
        raise Refused(400, "Missing required parameter: 'input'.", param="input", code="missing_required_parameter")
    size = int(body.get("dimensions") or model.dimensions or DIMENSIONS)
    rows = [
        {"object": "embedding", "index": index, "embedding": _packed(vector(text, size, world), body)}
        for index, text in enumerate(texts)
    ]
    answer: dict[str, Any] = {"object": "list", "data": rows, "model": model.snapshot}
    tokens = request.knobs.input_tokens
    tokens = sum(count_tokens(text) for text in texts) if tokens is None else tokens
    world.meter.count(model.snapshot, tokens, 0)
    if request.knobs.usage:
        answer["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
    return json_answer(answer)


def moderations(request: Request, world: World) -> Answer:
    """POST /moderations"""
    body = request.object()
    model = existing(body.get("model") or "omni-moderation-latest", "openai")
    results = [
        {
            "flagged": False,
            "categories": dict.fromkeys(CATEGORIES, False),
            "category_scores": dict.fromkeys(CATEGORIES, 0.0),
            "category_applied_input_types": {name: ["text"] for name in CATEGORIES},
        }
        for _ in each_text(body.get("input"))
    ]
    return json_answer({"id": world.new_id("modr-"), "model": model.snapshot, "results": results})


def list_models(request: Request, world: World) -> Answer:
    """GET /models"""
    rows = [
        {"id": model.name, "object": "model", "created": 1735689600, "owned_by": "system"}
        for model in MODELS
        if model.provider == "openai"
    ]
    return json_answer({"object": "list", "data": rows})


def each_text(value: Any) -> list[str]:
    """The texts of an input that is one text, several, a list of token ids, or several of those."""
    if value is None or isinstance(value, str):
        return [value] if value else []
    if isinstance(value, list) and value and all(type(token) is int for token in value):
        return [words_of(value)]
    return [words_of(item) for item in value] if isinstance(value, list) else [words_of(value)]


def vector(text: str, size: int, world: World) -> list[float]:
    """A vector that the text and the seed decide."""
    chance = chance_of(world.seed, text)
    return [round(chance.random() * 0.1 - 0.05, 6) for _ in range(size)]


def _packed(values: list[float], body: dict[str, Any]) -> list[float] | str:
    """The official SDKs ask for the floats as bytes."""
    if body.get("encoding_format") != "base64":
        return values
    return base64.b64encode(array("f", values).tobytes()).decode()
