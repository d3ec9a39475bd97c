"""Anthropic's messages, and the counting of their tokens. The beta resources and Vertex AI use the same shapes."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from tollkeeper.simulator.answers import Counts, Prompt, Reply, Tool, compose, count_tokens, cut, existing, words_of
from tollkeeper.simulator.exchange import Answer, Refused, Request, event, event_stream, json_answer
from tollkeeper.simulator.knobs import Knobs
from tollkeeper.simulator.models import MODELS
from tollkeeper.simulator.world import World

FINISH = {"stop": "end_turn", "length": "max_tokens", "tool": "tool_use"}


def messages(request: Request, world: World) -> Answer:
    """POST /v1/messages"""
    body = request.object()
    model = existing(body.get("model") or request.place.get("model"), "anthropic")
    if not isinstance(body.get("max_tokens"), int):
        raise Refused(400, "max_tokens: Field required")
    prompt = _read(body, model.name)
    reply = compose(prompt, request.knobs, world)
    message: dict[str, Any] = {
        "id": world.new_id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": model.snapshot,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }
    usage = _usage(reply.counts, body) if request.knobs.usage else None
    headers = {"request-id": world.new_id("req_")}
    if body.get("stream"):
        return event_stream(_events(message, reply, usage, request.knobs), headers)
    message |= {"content": _content(reply), "stop_reason": FINISH[reply.finish]}
    return json_answer(message if usage is None else {**message, "usage": usage}, headers=headers)


def count(request: Request, world: World) -> Answer:
    """POST /v1/messages/count_tokens"""
    body = request.object()
    model = existing(body.get("model"), "anthropic")
    return json_answer({"input_tokens": count_tokens(_read(body, model.name).text)})


def list_models(request: Request, world: World) -> Answer:
    """GET /v1/models"""
    rows = [
        {"type": "model", "id": model.snapshot, "display_name": model.name, "created_at": "2025-01-01T00:00:00Z"}
        for model in MODELS
        if model.provider == "anthropic"
    ]
    return json_answer({"data": rows, "has_more": False, "first_id": rows[0]["id"], "last_id": rows[-1]["id"]})


def _read(body: Mapping[str, Any], model: str) -> Prompt:
    if not body.get("messages"):
        raise Refused(400, "messages: at least one message is required")
    output = body.get("output_format") or (body.get("output_config") or {}).get("format") or {}
    said = [body.get("system"), body.get("tools"), body["messages"], output.get("schema")]
    marks = list(_cache_marks(said))
    return Prompt(
        model,
        words_of(said),
        cap=body.get("max_tokens"),
        tools=_callable_tools(body),
        schema=output.get("schema"),
        reasons=(body.get("thinking") or {}).get("type") in ("enabled", "adaptive"),
        caches=bool(marks),
        writes=bool(marks),
    )


def _callable_tools(body: Mapping[str, Any]) -> tuple[Tool, ...]:
    """Anthropic's own tools have no schema and are not called."""
    tools = tuple(
        Tool(tool["name"], tool["input_schema"]) for tool in body.get("tools") or () if tool.get("input_schema")
    )
    match body.get("tool_choice") or {}:
        case {"type": "none"}:
            return ()
        case {"type": "tool", "name": name}:
            return tuple(tool for tool in tools if tool.name == name)
        case {"type": "any"}:
            return tools
    content = body["messages"][-1].get("content")
    answered = isinstance(content, list) and any(block.get("type") == "tool_result" for block in content)
    return () if answered else tools


def _cache_marks(value: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, dict):
        if isinstance(value.get("cache_control"), dict):
            yield value["cache_control"]
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _cache_marks(inner)


def _usage(counts: Counts, body: Mapping[str, Any]) -> dict[str, Any]:
    """Anthropic's input leaves out what was read from the cache or written to it."""
    said = [body.get("system"), body.get("tools"), body.get("messages")]
    is_hour = any(mark.get("ttl") == "1h" for mark in _cache_marks(said))
    return {
        "input_tokens": counts.input - counts.cached - counts.written,
        "cache_creation_input_tokens": counts.written,
        "cache_read_input_tokens": counts.cached,
        "cache_creation": {
            "ephemeral_5m_input_tokens": 0 if is_hour else counts.written,
            "ephemeral_1h_input_tokens": counts.written if is_hour else 0,
        },
        "output_tokens": counts.output,
        "service_tier": "standard",
    }


def _content(reply: Reply) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if reply.thoughts:
        blocks.append({"type": "thinking", "thinking": reply.thoughts, "signature": _signature(reply)})
    if reply.call:
        blocks.append(
            {"type": "tool_use", "id": _tool_id(reply), "name": reply.call.name, "input": reply.call.arguments}
        )
    elif reply.text:
        blocks.append({"type": "text", "text": reply.text})
    return blocks


def _signature(reply: Reply) -> str:
    return base64.b64encode(reply.thoughts[:48].encode()).decode()


def _tool_id(reply: Reply) -> str:
    return "" if reply.call is None else reply.call.id.replace("call_", "toolu_")


def _events(message: dict[str, Any], reply: Reply, usage: dict[str, Any] | None, knobs: Knobs) -> Iterator[bytes]:
    """The first event's output is a placeholder; the last but one has the whole usage."""
    start = message if usage is None else {**message, "usage": {**usage, "output_tokens": 1}}
    yield event({"type": "message_start", "message": start}, "message_start")
    for index, block in enumerate(_content(reply)):
        empty, deltas = _pieces(block, reply, knobs)
        yield event({"type": "content_block_start", "index": index, "content_block": empty}, "content_block_start")
        if index == 0:
            yield event({"type": "ping"}, "ping")
        for delta in deltas:
            yield event({"type": "content_block_delta", "index": index, "delta": delta}, "content_block_delta")
        yield event({"type": "content_block_stop", "index": index}, "content_block_stop")
    end: dict[str, Any] = {"type": "message_delta"}
    end["delta"] = {"stop_reason": FINISH[reply.finish], "stop_sequence": None}
    if usage is not None:
        names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
        end["usage"] = {name: usage[name] for name in names}
    yield event(end, "message_delta")
    yield event({"type": "message_stop"}, "message_stop")


def _pieces(block: dict[str, Any], reply: Reply, knobs: Knobs) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A content block as it starts, and the deltas that fill it."""
    match block["type"]:
        case "thinking":
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in cut(block["thinking"], knobs.chunks)]
            signature = {"type": "signature_delta", "signature": block["signature"]}
            return {**block, "thinking": "", "signature": ""}, [*deltas, signature]
        case "tool_use":
            text = "" if reply.call is None else reply.call.text
            parts = [{"type": "input_json_delta", "partial_json": piece} for piece in ["", *cut(text, knobs.chunks)]]
            return {**block, "input": {}}, parts
        case _:
            return {**block, "text": ""}, [
                {"type": "text_delta", "text": piece} for piece in cut(block["text"], knobs.chunks)
            ]
