"""Ollama's chat, generate and embed. It streams lines of JSON, and counts in the last one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from tollkeeper.simulator.answers import Prompt, Reply, Tool, compose, count_tokens, cut, existing, words_of
from tollkeeper.simulator.exchange import Answer, Request, json_answer, json_bytes
from tollkeeper.simulator.models import MODELS, Model
from tollkeeper.simulator.openai_chat import ANY_JSON
from tollkeeper.simulator.openai_vectors import DIMENSIONS, each_text, vector
from tollkeeper.simulator.world import World

FINISH = {"stop": "stop", "length": "length", "tool": "stop"}
LOAD_NANOSECONDS = 20_000_000
NANOSECONDS_PER_TOKEN = 5_000_000


def chat(request: Request, world: World) -> Answer:
    """POST /api/chat"""
    body = request.object()
    messages = body.get("messages") or []
    answered = bool(messages) and messages[-1].get("role") == "tool"
    functions = [tool["function"] for tool in body.get("tools") or ()]
    tools = () if answered else tuple(Tool(row["name"], row.get("parameters") or {}) for row in functions)
    reply, head = _reply(request, world, [messages, body.get("tools")], tools)
    if body.get("stream", True) is not False:
        return _lines(reply, head, request, _chat_messages(reply, request))
    return json_answer({**head, "message": _message(reply), **_end(reply, request)})


def generate(request: Request, world: World) -> Answer:
    """POST /api/generate"""
    body = request.object()
    reply, head = _reply(request, world, [body.get("system"), body.get("prompt")], ())
    if body.get("stream", True) is not False:
        return _lines(reply, head, request, _generate_messages(reply, request))
    said = {"response": reply.text, **({"thinking": reply.thoughts} if reply.thoughts else {})}
    return json_answer({**head, **said, **_end(reply, request)})


def embed(request: Request, world: World) -> Answer:
    """POST /api/embed"""
    body = request.object()
    model = existing(body.get("model"), "ollama")
    texts = each_text(body.get("input"))
    size = int(body.get("dimensions") or model.dimensions or DIMENSIONS)
    answer: dict[str, Any] = {"model": model.name, "embeddings": [vector(text, size, world) for text in texts]}
    if request.knobs.usage:
        tokens = request.knobs.input_tokens
        tokens = sum(map(count_tokens, texts)) if tokens is None else tokens
        answer |= {"total_duration": LOAD_NANOSECONDS + tokens * 1000, "load_duration": LOAD_NANOSECONDS}
        answer["prompt_eval_count"] = tokens
    return json_answer(answer)


def embed_one(request: Request, world: World) -> Answer:
    """POST /api/embeddings, older, which counts nothing"""
    body = request.object()
    model = existing(body.get("model"), "ollama")
    return json_answer({"embedding": vector(str(body.get("prompt", "")), model.dimensions or DIMENSIONS, world)})


def list_models(request: Request, world: World) -> Answer:
    """GET /api/tags"""
    rows = [{"name": model.name, "model": model.name} for model in MODELS if model.provider == "ollama"]
    return json_answer({"models": rows})


def _reply(request: Request, world: World, said: list[Any], tools: tuple[Tool, ...]) -> tuple[Reply, dict[str, Any]]:
    body = request.object()
    model = existing(body.get("model"), "ollama")
    schema = ANY_JSON if body.get("format") == "json" else body.get("format") or None
    prompt = Prompt(
        model.name,
        words_of([*said, schema if isinstance(schema, dict) else None]),
        cap=(body.get("options") or {}).get("num_predict"),
        tools=tools,
        schema=schema,
        reasons=_thinks(body, model),
        caches=False,
    )
    created = datetime.fromtimestamp(world.clock(), UTC).isoformat().replace("+00:00", "Z")
    return compose(prompt, request.knobs, world), {"model": model.name, "created_at": created}


def _thinks(body: Mapping[str, Any], model: Model) -> bool:
    return bool(body.get("think", model.reasons))


def _message(reply: Reply) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text}
    if reply.thoughts:
        message["thinking"] = reply.thoughts
    if reply.call:
        message["tool_calls"] = [{"function": {"name": reply.call.name, "arguments": reply.call.arguments}}]
    return message


def _end(reply: Reply, request: Request) -> dict[str, Any]:
    end: dict[str, Any] = {"done": True, "done_reason": FINISH[reply.finish]}
    if request.knobs.usage:
        reading = reply.counts.input * NANOSECONDS_PER_TOKEN // 10
        writing = reply.counts.output * NANOSECONDS_PER_TOKEN
        end |= {
            "total_duration": LOAD_NANOSECONDS + reading + writing,
            "load_duration": LOAD_NANOSECONDS,
            "prompt_eval_count": reply.counts.input,
            "prompt_eval_duration": reading,
            "eval_count": reply.counts.output,
            "eval_duration": writing,
        }
    return end


def _chat_messages(reply: Reply, request: Request) -> Iterator[dict[str, Any]]:
    for piece in cut(reply.thoughts, request.knobs.chunks):
        yield {"message": {"role": "assistant", "content": "", "thinking": piece}}
    if reply.call:
        yield {"message": {**_message(reply), "thinking": ""}}
    for piece in cut(reply.text, request.knobs.chunks):
        yield {"message": {"role": "assistant", "content": piece}}


def _generate_messages(reply: Reply, request: Request) -> Iterator[dict[str, Any]]:
    for piece in cut(reply.thoughts, request.knobs.chunks):
        yield {"response": "", "thinking": piece}
    for piece in cut(reply.text, request.knobs.chunks):
        yield {"response": piece}


def _lines(reply: Reply, head: dict[str, Any], request: Request, steps: Iterator[dict[str, Any]]) -> Answer:
    def lines() -> Iterator[bytes]:
        for step in steps:
            yield json_bytes({**head, **step, "done": False}) + b"\n"
        empty = (
            {"message": {"role": "assistant", "content": ""}} if request.path.endswith("/chat") else {"response": ""}
        )
        yield json_bytes({**head, **empty, **_end(reply, request)}) + b"\n"

    return Answer(200, {"content-type": "application/x-ndjson"}, pieces=lines())
