"""Gemini's generateContent and what goes with it, at the Developer API's paths and at Vertex AI's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from tollkeeper.simulator.answers import Counts, Prompt, Reply, Tool, compose, count_tokens, cut, existing, words_of
from tollkeeper.simulator.exchange import Answer, Refused, Request, event, event_stream, json_answer, json_bytes
from tollkeeper.simulator.models import MODELS, Model
from tollkeeper.simulator.openai_chat import ANY_JSON
from tollkeeper.simulator.openai_vectors import DIMENSIONS, vector
from tollkeeper.simulator.world import World

FINISH = {"stop": "STOP", "length": "MAX_TOKENS", "tool": "STOP"}
CAPITAL = re.compile("[A-Z]")


def generate(request: Request, world: World) -> Answer:
    """POST /…/models/{model}:generateContent"""
    head, replies = _reply(request, world)
    candidates = [_candidate(n, _parts(reply, request), FINISH[reply.finish]) for n, reply in enumerate(replies)]
    answer = {"candidates": candidates, **head}
    if request.knobs.usage:
        answer["usageMetadata"] = _usage(_sum(replies), _is_vertex(request))
    return json_answer(answer)


def stream(request: Request, world: World) -> Answer:
    """POST /…/models/{model}:streamGenerateContent: events when asked for with `alt=sse`, else pieces of one list"""
    head, replies = _reply(request, world)
    chunks = _chunks(head, replies[0], request)
    if request.query.get("alt") == "sse":
        return event_stream(event(chunk) for chunk in chunks)
    return Answer(200, {"content-type": "application/json; charset=UTF-8"}, pieces=_as_list(chunks))


def count(request: Request, world: World) -> Answer:
    """POST /…/models/{model}:countTokens"""
    _model(request)
    body = request.object()
    inner = _at(body, "generateContentRequest") or body
    tokens = count_tokens(_text(inner))
    return json_answer({"totalTokens": tokens, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]})


def embed(request: Request, world: World) -> Answer:
    """POST /…/models/{model}:embedContent"""
    model, body = _model(request), request.object()
    text = words_of(body.get("content"))
    answer: dict[str, Any] = {"embedding": {"values": _values(text, _size(body), model, world)}}
    return _with_embedding_usage(answer, [text], request)


def embed_batch(request: Request, world: World) -> Answer:
    """POST /…/models/{model}:batchEmbedContents"""
    model, rows = _model(request), request.object().get("requests") or []
    texts = [words_of(row.get("content")) for row in rows]
    values = [_values(text, _size(row), model, world) for row, text in zip(rows, texts, strict=True)]
    return _with_embedding_usage({"embeddings": [{"values": value} for value in values]}, texts, request)


def predict(request: Request, world: World) -> Answer:
    """POST /…/models/{model}:predict, Vertex AI's older way to embed"""
    model, body = _model(request), request.object()
    size = _at(body, "parameters", "outputDimensionality")
    texts = [words_of(instance.get("content")) for instance in body.get("instances") or ()]
    rows = [
        {
            "embeddings": {
                "statistics": {"token_count": count_tokens(text), "truncated": False},
                "values": _values(text, size, model, world),
            }
        }
        for text in texts
    ]
    return json_answer({"predictions": rows, "metadata": {"billableCharacterCount": sum(map(len, texts))}})


def list_models(request: Request, world: World) -> Answer:
    """GET /v1beta/models, or Vertex AI's /v1beta1/publishers/google/models"""
    named = [model for model in MODELS if model.provider == "gemini"]
    if _is_vertex(request):
        return json_answer({"publisherModels": [{"name": f"publishers/google/models/{m.name}"} for m in named]})
    rows = [
        {
            "name": f"models/{model.name}",
            "displayName": model.name,
            "version": "001",
            "inputTokenLimit": 1048576,
            "outputTokenLimit": 65536,
            "supportedGenerationMethods": ["embedContent"] if model.dimensions else ["generateContent", "countTokens"],
        }
        for model in named
    ]
    return json_answer({"models": rows})


def _at(value: object, *names: str) -> Any:
    """What is at this path. Google takes every field in camel case and in snake case, and its SDK sends both."""
    for name in names:
        if not isinstance(value, dict):
            return None
        value = value.get(name, value.get(CAPITAL.sub(lambda letter: "_" + letter[0].lower(), name)))
    return value


def _reply(request: Request, world: World) -> tuple[dict[str, Any], list[Reply]]:
    model, body = _model(request), request.object()
    if not body.get("contents"):
        raise Refused(400, "contents is not specified")
    prompt = _read(body, model)
    choices = int(_at(body, "generationConfig", "candidateCount") or 1)
    replies = [compose(prompt, request.knobs, world, choice) for choice in range(choices)]
    head = {"modelVersion": model.snapshot, "responseId": world.new_id("", 22)}
    if _is_vertex(request):
        head["createTime"] = datetime.fromtimestamp(world.clock(), UTC).isoformat().replace("+00:00", "Z")
    return head, replies


def _model(request: Request) -> Model:
    return existing(request.place.get("model"), "gemini")


def _is_vertex(request: Request) -> bool:
    return "/publishers/" in request.path


def _text(body: Mapping[str, Any]) -> str:
    return words_of([_at(body, "systemInstruction"), body.get("tools"), body.get("contents"), _schema(body)])


def _schema(body: Mapping[str, Any]) -> Any:
    config = _at(body, "generationConfig")
    return _at(config, "responseJsonSchema") or _at(config, "responseSchema")


def _read(body: Mapping[str, Any], model: Model) -> Prompt:
    config, schema = _at(body, "generationConfig"), _schema(body)
    if schema is None and _at(config, "responseMimeType") == "application/json":
        schema = ANY_JSON
    return Prompt(
        model.name,
        _text(body),
        cap=_at(config, "maxOutputTokens"),
        tools=_callable_tools(body),
        schema=schema,
        reasons=model.reasons and _at(config, "thinkingConfig", "thinkingBudget") != 0,
    )


def _callable_tools(body: Mapping[str, Any]) -> tuple[Tool, ...]:
    declared = [row for tool in body.get("tools") or () for row in _at(tool, "functionDeclarations") or ()]
    config = _at(body, "toolConfig", "functionCallingConfig")
    allowed = _at(config, "allowedFunctionNames") or [row["name"] for row in declared]
    answered = any(_at(part, "functionResponse") for part in body["contents"][-1].get("parts") or ())
    if _at(config, "mode") == "NONE" or (_at(config, "mode") != "ANY" and answered):
        return ()
    return tuple(
        Tool(row["name"], _at(row, "parametersJsonSchema") or row.get("parameters") or {})
        for row in declared
        if row["name"] in allowed
    )


def _parts(reply: Reply, request: Request) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    if reply.thoughts and _shows_thoughts(request):
        parts.append({"text": reply.thoughts, "thought": True})
    if reply.call:
        parts.append({"functionCall": {"name": reply.call.name, "args": reply.call.arguments}})
    elif reply.text:
        parts.append({"text": reply.text})
    return parts


def _shows_thoughts(request: Request) -> bool:
    return bool(_at(request.object(), "generationConfig", "thinkingConfig", "includeThoughts"))


def _candidate(number: int, parts: list[dict[str, Any]], finish: str | None) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": parts}, "index": number}
    return candidate if finish is None else {**candidate, "finishReason": finish}


def _sum(replies: list[Reply]) -> Counts:
    first = replies[0].counts
    output = sum(reply.counts.output for reply in replies)
    reasoning = sum(reply.counts.reasoning for reply in replies)
    return Counts(first.input, output, cached=first.cached, reasoning=reasoning)


def _usage(counts: Counts, is_vertex: bool) -> dict[str, Any]:
    """Gemini's candidates leave out the thoughts; its prompt includes what was cached."""
    usage: dict[str, Any] = {
        "promptTokenCount": counts.input,
        "candidatesTokenCount": counts.output - counts.reasoning,
        "totalTokenCount": counts.total,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": counts.input}],
    }
    if counts.cached:
        usage["cachedContentTokenCount"] = counts.cached
        usage["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": counts.cached}]
    if counts.reasoning:
        usage["thoughtsTokenCount"] = counts.reasoning
    if is_vertex:
        usage["trafficType"] = "ON_DEMAND"
    return usage


def _chunks(head: dict[str, Any], reply: Reply, request: Request) -> Iterator[dict[str, Any]]:
    """Each chunk counts all that was said so far; Vertex AI counts in the last one only."""
    is_vertex, counts = _is_vertex(request), reply.counts
    steps = _stream_parts(reply, request)
    told = 0
    for number, (parts, tokens) in enumerate(steps, 1):
        is_last = number == len(steps)
        told = counts.output - counts.reasoning if is_last else min(told + tokens, counts.output - counts.reasoning)
        chunk = {"candidates": [_candidate(0, parts, FINISH[reply.finish] if is_last else None)], **head}
        if request.knobs.usage and is_vertex and not is_last:
            chunk["usageMetadata"] = {"trafficType": "ON_DEMAND"}
        elif request.knobs.usage:
            so_far = Counts(counts.input, told + counts.reasoning, cached=counts.cached, reasoning=counts.reasoning)
            chunk["usageMetadata"] = _usage(so_far, is_vertex)
        yield chunk


def _stream_parts(reply: Reply, request: Request) -> list[tuple[list[dict[str, Any]], int]]:
    """The parts of each chunk, and how many tokens of the answer they are."""
    steps: list[tuple[list[dict[str, Any]], int]] = []
    if reply.thoughts and _shows_thoughts(request):
        steps += [([{"text": piece, "thought": True}], 0) for piece in cut(reply.thoughts, request.knobs.chunks)]
    if reply.call:
        steps.append(([{"functionCall": {"name": reply.call.name, "args": reply.call.arguments}}], 0))
    steps += [([{"text": piece}], count_tokens(piece)) for piece in cut(reply.text, request.knobs.chunks)]
    return steps or [([], 0)]


def _as_list(chunks: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    before = b"["
    for chunk in chunks:
        yield before + json_bytes(chunk)
        before = b"\n,\r\n"
    yield b"\n]"


def _size(row: object) -> Any:
    return _at(row, "outputDimensionality") or _at(row, "embedContentConfig", "outputDimensionality")


def _values(text: str, size: int | None, model: Model, world: World) -> list[float]:
    return vector(text, int(size or model.dimensions or DIMENSIONS), world)


def _with_embedding_usage(answer: dict[str, Any], texts: list[str], request: Request) -> Answer:
    if request.knobs.usage:
        tokens = request.knobs.input_tokens
        tokens = sum(map(count_tokens, texts)) if tokens is None else tokens
        answer["usageMetadata"] = {"promptTokenCount": tokens, "totalTokenCount": tokens}
    return json_answer(answer)
