"""OpenAI's responses: made, streamed, or worked on in the background and fetched later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tollkeeper.simulator.answers import Prompt, Reply, compose, count_tokens, cut, existing, words_of
from tollkeeper.simulator.exchange import Answer, Refused, Request, event, event_stream, json_answer
from tollkeeper.simulator.knobs import Knobs
from tollkeeper.simulator.models import Model
from tollkeeper.simulator.openai_chat import ANY_JSON, WITHOUT_REASONING, callable_tools, tier
from tollkeeper.simulator.world import World

ECHOED: dict[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "store": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
"""What an answer repeats of its request, and says when the request is silent."""


@dataclass(slots=True)
class Stored:
    """A response that can be fetched. `polls`: how often it will still be found unfinished."""

    response: dict[str, Any]
    reply: Reply
    knobs: Knobs
    polls: int = 0


def create(request: Request, world: World) -> Answer:
    """POST /responses"""
    body = request.object()
    model = existing(body.get("model"), "openai")
    prompt = _read(body, model, world)
    reply = compose(prompt, request.knobs, world)
    response = _response(body, model, reply, request.knobs, world)
    is_background = bool(body.get("background"))
    stored = Stored(response, reply, request.knobs, request.knobs.polls if is_background else 0)
    if body.get("store") is not False or is_background:
        world.store(response["id"], stored)
    headers = {"x-request-id": world.new_id("req_"), "openai-version": "2020-10-01"}
    if body.get("stream"):
        return event_stream(map(_piece, _events(stored)), headers)
    return json_answer(_unfinished(response, "queued") if is_background else response, headers=headers)


def retrieve(request: Request, world: World) -> Answer:
    """GET /responses/{id}"""
    stored = _stored(request, world)
    if request.query.get("stream") == "true":
        after = int(request.query.get("starting_after", -1))
        return event_stream(_piece(item) for item in _events(stored) if item["sequence_number"] > after)
    if stored.polls > 0:
        stored.polls -= 1
        return json_answer(_unfinished(stored.response, "in_progress"))
    return json_answer(stored.response)


def cancel(request: Request, world: World) -> Answer:
    """POST /responses/{id}/cancel"""
    stored = _stored(request, world)
    if not stored.response["background"]:
        raise Refused(400, "Cannot cancel a synchronous response.")
    if stored.polls > 0:
        stored.response, stored.polls = _unfinished(stored.response, "cancelled"), 0
    return json_answer(stored.response)


def delete(request: Request, world: World) -> Answer:
    """DELETE /responses/{id}"""
    response = _stored(request, world).response
    world.forget(response["id"])
    return json_answer({"id": response["id"], "object": "response", "deleted": True})


def count(request: Request, world: World) -> Answer:
    """POST /responses/input_tokens"""
    body = request.object()
    prompt = _read(body, existing(body.get("model") or "any", "openai"), world)
    total = count_tokens(prompt.text) + prompt.earlier_tokens
    return json_answer({"object": "response.input_tokens", "input_tokens": total})


def _stored(request: Request, world: World) -> Stored:
    stored = world.stored(request.place["id"])
    if not isinstance(stored, Stored):
        raise Refused(404, f"Response with id '{request.place['id']}' not found.", code="not_found")
    return stored


def _read(body: Mapping[str, Any], model: Model, world: World) -> Prompt:
    if "input" not in body and "prompt" not in body:
        raise Refused(400, "Missing required parameter: 'input'.", param="input", code="missing_required_parameter")
    wanted = (body.get("text") or {}).get("format") or {}
    schema = wanted.get("schema") or (ANY_JSON if wanted.get("type") == "json_object" else None)
    said = body.get("input")
    answered = isinstance(said, list) and bool(said) and said[-1].get("type") == "function_call_output"
    functions = [tool for tool in body.get("tools") or () if tool.get("type") == "function"]
    earlier = world.stored(body.get("previous_response_id") or "")
    return Prompt(
        model.name,
        words_of([body.get("instructions"), said, body.get("prompt"), body.get("tools"), schema]),
        cap=body.get("max_output_tokens"),
        tools=callable_tools(functions, body.get("tool_choice"), answered),
        schema=schema,
        reasons=model.reasons and (body.get("reasoning") or {}).get("effort") not in WITHOUT_REASONING,
        earlier_tokens=earlier.reply.counts.total if isinstance(earlier, Stored) else 0,
    )


def _response(body: Mapping[str, Any], model: Model, reply: Reply, knobs: Knobs, world: World) -> dict[str, Any]:
    is_cut = reply.finish == "length"
    return {
        "id": world.new_id("resp_", 48),
        "object": "response",
        "created_at": world.now(),
        "status": "incomplete" if is_cut else "completed",
        "background": bool(body.get("background")),
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
        "model": model.snapshot,
        "output": _output(reply, world),
        "reasoning": {"effort": (body.get("reasoning") or {}).get("effort"), "summary": None},
        "service_tier": tier(body),
        "text": {"format": {"type": "text"}, **(body.get("text") or {})},
        "usage": _usage(reply) if knobs.usage else None,
        **{name: body.get(name, silent) for name, silent in ECHOED.items()},
    }


def _usage(reply: Reply) -> dict[str, Any]:
    return {
        "input_tokens": reply.counts.input,
        "input_tokens_details": {"cached_tokens": reply.counts.cached},
        "output_tokens": reply.counts.output,
        "output_tokens_details": {"reasoning_tokens": reply.counts.reasoning},
        "total_tokens": reply.counts.total,
    }


def _output(reply: Reply, world: World) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if reply.thoughts:
        items.append({"id": world.new_id("rs_", 48), "type": "reasoning", "summary": []})
    status = "incomplete" if reply.finish == "length" else "completed"
    if reply.call:
        item = {"id": world.new_id("fc_", 48), "type": "function_call", "status": status, "call_id": reply.call.id}
        items.append({**item, "name": reply.call.name, "arguments": reply.call.text})
    elif reply.text:
        content = {"type": "output_text", "annotations": [], "logprobs": [], "text": reply.text}
        item = {"id": world.new_id("msg_", 48), "type": "message", "status": status, "role": "assistant"}
        items.append({**item, "content": [content]})
    return items


def _unfinished(response: Mapping[str, Any], status: str) -> dict[str, Any]:
    return {**response, "status": status, "output": [], "usage": None, "incomplete_details": None}


def _piece(item: dict[str, Any]) -> bytes:
    return event(item, item["type"])


def _events(stored: Stored) -> Iterator[dict[str, Any]]:
    """The events of the response's stream, numbered from 0."""
    for number, (kind, item) in enumerate(_steps(stored)):
        yield {"type": f"response.{kind}", "sequence_number": number, **item}


def _steps(stored: Stored) -> Iterator[tuple[str, dict[str, Any]]]:
    response = stored.response
    yield "created", {"response": _unfinished(response, "queued" if response["background"] else "in_progress")}
    yield "in_progress", {"response": _unfinished(response, "in_progress")}
    for index, item in enumerate(response["output"]):
        place = {"output_index": index}
        yield "output_item.added", {**place, "item": _empty(item)}
        for kind, detail in _filling(item, stored.knobs):
            yield kind, {"item_id": item["id"], **place, **detail}
        yield "output_item.done", {**place, "item": item}
    yield response["status"], {"response": response}


def _empty(item: dict[str, Any]) -> dict[str, Any]:
    match item["type"]:
        case "message":
            return {**item, "status": "in_progress", "content": []}
        case "function_call":
            return {**item, "status": "in_progress", "arguments": ""}
        case _:
            return item


def _filling(item: dict[str, Any], knobs: Knobs) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events between an item's beginning and its end."""
    if item["type"] == "function_call":
        for piece in cut(item["arguments"], knobs.chunks):
            yield "function_call_arguments.delta", {"delta": piece}
        yield "function_call_arguments.done", {"arguments": item["arguments"], "name": item["name"]}
    elif item["type"] == "message":
        part = item["content"][0]
        yield "content_part.added", {"content_index": 0, "part": {**part, "text": ""}}
        for piece in cut(part["text"], knobs.chunks):
            yield "output_text.delta", {"content_index": 0, "delta": piece, "logprobs": []}
        yield "output_text.done", {"content_index": 0, "text": part["text"], "logprobs": []}
        yield "content_part.done", {"content_index": 0, "part": part}
