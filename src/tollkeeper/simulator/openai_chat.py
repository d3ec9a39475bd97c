"""OpenAI's chat completions, and its older completions. Everyone who copied that protocol is answered here too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tollkeeper.simulator.answers import Counts, Prompt, Reply, Tool, compose, cut, existing, words_of
from tollkeeper.simulator.exchange import Answer, Refused, Request, event, event_stream, json_answer
from tollkeeper.simulator.knobs import Knobs
from tollkeeper.simulator.models import Model
from tollkeeper.simulator.world import World

DONE = b"data: [DONE]\n\n"
DEPLOYMENT = re.compile(r"/deployments/([^/]+)/")
WITHOUT_REASONING = ("none", "minimal")
FINISH = {"stop": "stop", "length": "length", "tool": "tool_calls"}
ANY_JSON: dict[str, Any] = {"type": "object", "properties": {"answer": {"type": "string"}}}


def chat(request: Request, world: World) -> Answer:
    """POST /chat/completions"""
    body = request.object()
    model = model_of(request)
    if not isinstance(body.get("messages"), list) or not body["messages"]:
        raise Refused(
            400, "Missing required parameter: 'messages'.", param="messages", code="missing_required_parameter"
        )
    if body.get("stream_options") and not body.get("stream"):
        raise Refused(
            400, "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )
    prompt = read_chat(body, model)
    replies = [compose(prompt, request.knobs, world, choice) for choice in range(int(body.get("n") or 1))]
    head = {
        "id": world.new_id("chatcmpl-"),
        "created": world.now(),
        "model": model.snapshot,
        "service_tier": tier(body),
        "system_fingerprint": "fp_simulator",
    }
    headers = {"x-request-id": world.new_id("req_"), "openai-version": "2020-10-01"}
    if body.get("stream"):
        pieces = _chunks(
            {**head, "object": "chat.completion.chunk"}, replies, with_usage(body, request.knobs), request.knobs
        )
        return event_stream(pieces, headers)
    answer = {**head, "object": "chat.completion", "choices": [_choice(n, reply) for n, reply in enumerate(replies)]}
    if request.knobs.usage:
        answer["usage"] = usage(replies)
    return json_answer(answer, headers=headers)


def completions(request: Request, world: World) -> Answer:
    """POST /completions"""
    body = request.object()
    model = model_of(request)
    text = words_of(body.get("prompt", ""))
    prompt = Prompt(model.name, text, cap=int(body.get("max_tokens") or 16), caches=False)
    replies = [compose(prompt, request.knobs, world, choice) for choice in range(int(body.get("n") or 1))]
    head = {"id": world.new_id("cmpl-"), "object": "text_completion", "created": world.now(), "model": model.snapshot}
    if body.get("stream"):
        return event_stream(_text_chunks(head, replies, with_usage(body, request.knobs), request.knobs))
    choices = [
        {"index": n, "text": reply.text, "logprobs": None, "finish_reason": FINISH[reply.finish]}
        for n, reply in enumerate(replies)
    ]
    answer = {**head, "choices": choices}
    if request.knobs.usage:
        answer["usage"] = usage(replies)
    return json_answer(answer)


def model_of(request: Request) -> Model:
    """The model that the body names, or, at Azure, the path's deployment."""
    deployment = DEPLOYMENT.search(request.path)
    return existing(request.object().get("model") or (deployment[1] if deployment else None), "openai")


def read_chat(body: Mapping[str, Any], model: Model) -> Prompt:
    wanted = body.get("response_format") or {}
    schema = (wanted.get("json_schema") or {}).get("schema") if isinstance(wanted, dict) else None
    if schema is None and isinstance(wanted, dict) and wanted.get("type") == "json_object":
        schema = ANY_JSON
    functions = [tool["function"] for tool in body.get("tools") or () if tool.get("type") == "function"]
    answered = body["messages"][-1].get("role") == "tool"
    return Prompt(
        model.name,
        words_of([body["messages"], body.get("tools"), schema]),
        cap=body.get("max_completion_tokens") or body.get("max_tokens"),
        tools=callable_tools(functions, body.get("tool_choice"), answered),
        schema=schema,
        reasons=model.reasons and body.get("reasoning_effort") not in WITHOUT_REASONING,
    )


def callable_tools(functions: list[dict[str, Any]], choice: Any, answered: bool) -> tuple[Tool, ...]:
    """The tools that this turn may call. Left the choice, the model calls one, unless it was just told a result."""
    tools = tuple(Tool(function["name"], function.get("parameters") or {}) for function in functions)
    if isinstance(choice, dict):
        named = (choice.get("function") or choice).get("name")
        return tuple(tool for tool in tools if tool.name == named) or tools
    if choice == "none" or (choice != "required" and answered):
        return ()
    return tools


def usage(replies: list[Reply]) -> dict[str, Any]:
    """The prompt counts once, however many choices it led to."""
    first = replies[0].counts
    output = sum(reply.counts.output for reply in replies)
    reasoning = sum(reply.counts.reasoning for reply in replies)
    return _usage(Counts(first.input, output, cached=first.cached, reasoning=reasoning))


def with_usage(body: Mapping[str, Any], knobs: Knobs) -> bool:
    return knobs.usage and bool((body.get("stream_options") or {}).get("include_usage"))


def tier(body: Mapping[str, Any]) -> str:
    asked = body.get("service_tier")
    return "default" if asked in (None, "auto") else str(asked)


def _usage(counts: Counts) -> dict[str, Any]:
    return {
        "prompt_tokens": counts.input,
        "completion_tokens": counts.output,
        "total_tokens": counts.total,
        "prompt_tokens_details": {"cached_tokens": counts.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": counts.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _choice(number: int, reply: Reply) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text, "refusal": None, "annotations": []}
    if reply.call:
        message["content"] = None
        function = {"name": reply.call.name, "arguments": reply.call.text}
        message["tool_calls"] = [{"id": reply.call.id, "type": "function", "function": function}]
    return {"index": number, "message": message, "logprobs": None, "finish_reason": FINISH[reply.finish]}


def _chunks(head: dict[str, Any], replies: list[Reply], counted: bool, knobs: Knobs) -> Iterator[bytes]:
    empty = {"usage": None} if counted else {}

    def chunk(number: int, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": number, "delta": delta, "logprobs": None, "finish_reason": finish}
        return event({**head, "choices": [choice], **empty})

    for number, reply in enumerate(replies):
        for delta in _deltas(reply, knobs):
            yield chunk(number, delta)
        yield chunk(number, {}, FINISH[reply.finish])
    if counted:
        yield event({**head, "choices": [], "usage": usage(replies)})
    yield DONE


def _deltas(reply: Reply, knobs: Knobs) -> Iterator[dict[str, Any]]:
    if reply.call is None:
        yield {"role": "assistant", "content": "", "refusal": None}
        for piece in cut(reply.text, knobs.chunks):
            yield {"content": piece}
        return
    function = {"name": reply.call.name, "arguments": ""}
    call = {"index": 0, "id": reply.call.id, "type": "function", "function": function}
    yield {"role": "assistant", "content": None, "tool_calls": [call]}
    for piece in cut(reply.call.text, knobs.chunks):
        yield {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}


def _text_chunks(head: dict[str, Any], replies: list[Reply], counted: bool, knobs: Knobs) -> Iterator[bytes]:
    empty = {"usage": None} if counted else {}
    for number, reply in enumerate(replies):
        pieces = cut(reply.text, knobs.chunks) or [""]
        for left, piece in zip(range(len(pieces) - 1, -1, -1), pieces, strict=True):
            finish = None if left else FINISH[reply.finish]
            choice = {"index": number, "text": piece, "logprobs": None, "finish_reason": finish}
            yield event({**head, "choices": [choice], **empty})
    if counted:
        yield event({**head, "choices": [], "usage": usage(replies)})
    yield DONE
