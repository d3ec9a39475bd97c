"""Prompts and answers in the conventions' message format, whatever SDK they come from. Only ever used when asked for.

Takes plain JSON values. Each text passes the user's `redact` before anything else sees it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

Redact = Callable[[str], str]
Part = dict[str, Any]
Message = dict[str, Any]

INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
SYSTEM_INSTRUCTIONS = "gen_ai.system_instructions"
TOOL_DEFINITIONS = "gen_ai.tool.definitions"

TEXT_TYPES = frozenset({"text", "input_text", "output_text", "refusal", "summary_text"})
REASONING_TYPES = frozenset({"thinking", "reasoning"})
CALL_TYPES = frozenset({"tool_use", "tool_call", "function_call", "toolUse"})
RESULT_TYPES = frozenset({"tool_result", "function_call_output", "toolResult"})


def content_attributes(body: Mapping[str, Any], answer: Any, text: str | None, redact: Redact) -> dict[str, Any]:
    """What was asked and answered. `text` is what a stream brought, where there is no whole `answer`."""
    output = _output(answer) if answer is not None else []
    if text and not output:
        output = [{"role": "assistant", "parts": [{"type": "text", "content": text}]}]
    attributes = {
        INPUT_MESSAGES: list(_input(body)),
        OUTPUT_MESSAGES: output,
        SYSTEM_INSTRUCTIONS: list(_system(body)),
        TOOL_DEFINITIONS: list(_tools(body)),
    }
    return {name: _redacted(value, redact) for name, value in attributes.items() if value}


def _redacted(value: Any, redact: Redact) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: item if key in ("type", "role", "id") else _redacted(item, redact) for key, item in value.items()}
    return [_redacted(item, redact) for item in value] if isinstance(value, list) else value


def _input(body: Mapping[str, Any]) -> Iterator[Message]:
    for name in ("messages", "input", "contents", "prompt", "texts"):
        value = body.get(name)
        if isinstance(value, str):
            yield {"role": "user", "parts": [_text(value)]}
        elif isinstance(value, list | tuple):
            yield from (message for item in value if (message := _message(item)) is not None)
        elif isinstance(value, Mapping):
            yield {"role": "user", "parts": list(_parts(value))}


def _message(item: Any) -> Message | None:
    if isinstance(item, str):
        return {"role": "user", "parts": [_text(item)]}
    if not isinstance(item, Mapping):
        return None
    role = item.get("role")
    return {"role": role if isinstance(role, str) else "user", "parts": list(_parts_of_message(item))}


def _parts_of_message(item: Mapping[str, Any]) -> Iterator[Part]:
    if item.get("role") == "tool":
        yield {"type": "tool_call_response", "id": item.get("tool_call_id"), "response": item.get("content")}
        return
    if isinstance(reasoning := item.get("reasoning_content"), str):
        yield {"type": "reasoning", "content": reasoning}
    if "content" in item or "parts" in item:
        yield from _parts(item.get("content", item.get("parts")))
    elif "type" in item:
        yield from _parts(item)
    for tool_call in item.get("tool_calls") or ():
        function = tool_call.get("function", tool_call) if isinstance(tool_call, Mapping) else {}
        yield _call(tool_call.get("id") if isinstance(tool_call, Mapping) else None, function)


def _parts(content: Any) -> Iterator[Part]:
    if isinstance(content, str):
        yield _text(content)
    elif isinstance(content, list | tuple):
        for item in content:
            yield from _parts(item)
    elif isinstance(content, Mapping):
        yield _part(content)


def _part(item: Mapping[str, Any]) -> Part:
    kind = item.get("type")
    if kind in TEXT_TYPES or (kind is None and isinstance(item.get("text"), str)):
        return _text(item.get("text") or item.get("refusal") or "")
    if kind in REASONING_TYPES:
        return {"type": "reasoning", "content": item.get("thinking") or _joined(item.get("summary"))}
    if kind in CALL_TYPES or "functionCall" in item or "function_call" in item or "toolUse" in item:
        inner = next((item[name] for name in ("functionCall", "function_call", "toolUse") if item.get(name)), item)
        return _call(item.get("call_id") or inner.get("id"), inner)
    if kind in RESULT_TYPES or "functionResponse" in item or "toolResult" in item:
        inner = next((item[name] for name in ("functionResponse", "toolResult") if item.get(name)), item)
        response = next((inner[name] for name in ("output", "content", "response") if name in inner), None)
        return {
            "type": "tool_call_response",
            "id": inner.get("call_id") or inner.get("tool_use_id"),
            "response": response,
        }
    return _media(item, kind)


def _media(item: Mapping[str, Any], kind: Any) -> Part:
    """Images, sounds and files are named, and their bytes left out: content capture is for text."""
    url = item.get("image_url", item.get("url"))
    url = url.get("url") if isinstance(url, Mapping) else url
    modality = next((word for word in ("image", "audio", "video") if word in str(kind)), "document")
    if isinstance(url, str) and not url.startswith("data:"):
        return {"type": "uri", "modality": modality, "uri": url}
    return {"type": "blob", "modality": modality, "content": ""}


def _text(content: str) -> Part:
    return {"type": "text", "content": content}


def _joined(summary: Any) -> str:
    pieces = summary if isinstance(summary, list | tuple) else ()
    return "".join(piece.get("text", "") for piece in pieces if isinstance(piece, Mapping))


def _call(identity: Any, function: Mapping[str, Any]) -> Part:
    arguments = next((function[name] for name in ("arguments", "input", "args") if name in function), None)
    return {"type": "tool_call", "id": identity, "name": function.get("name"), "arguments": _parsed(arguments)}


def _parsed(arguments: Any) -> Any:
    if isinstance(arguments, str):
        try:
            return json.loads(arguments)
        except ValueError:
            return arguments
    return arguments


def _system(body: Mapping[str, Any]) -> Iterator[Part]:
    for name in ("system", "instructions", "systemInstruction", "system_instruction"):
        value = body.get(name)
        if isinstance(value, Mapping) and "parts" in value:
            value = value["parts"]
        yield from _parts(value)


def _tools(body: Mapping[str, Any]) -> Iterator[Part]:
    for tool in body.get("tools") or ():
        if isinstance(tool, Mapping):
            function = tool.get("function") if isinstance(tool.get("function"), Mapping) else tool
            yield {"type": str(tool.get("type") or "function"), "name": function.get("name")}  # type: ignore[union-attr]


def _output(answer: Any) -> list[Message]:
    if not isinstance(answer, Mapping):
        return []
    return [message for message in _messages_of(answer) if message["parts"]]


def _messages_of(answer: Mapping[str, Any]) -> Iterable[Message]:
    for choice in _mappings(answer.get("choices")):
        said = choice.get("message") or {"content": choice.get("text")}
        yield _answered(_parts_of_message(said), choice.get("finish_reason"))
    for candidate in _mappings(answer.get("candidates")):
        inner = candidate.get("content")
        parts = inner.get("parts") if isinstance(inner, Mapping) else None
        yield _answered(_parts(parts), candidate.get("finish_reason", candidate.get("finishReason")))
    if answer.get("output") is not None:
        output = answer["output"]
        said = output.get("message") if isinstance(output, Mapping) else None
        parts = _parts_of_message(said) if isinstance(said, Mapping) else _items(output)
        yield _answered(parts, answer.get("status", answer.get("stopReason")))
    elif isinstance(answer.get("message"), Mapping):
        yield _answered(_parts_of_message(answer["message"]), answer.get("finish_reason", answer.get("done_reason")))
    elif "content" in answer or isinstance(answer.get("response"), str):
        yield _answered(_parts(answer.get("content", answer.get("response"))), answer.get("stop_reason"))


def _items(output: Any) -> Iterator[Part]:
    """The items of a Responses object: messages, whose content counts, and tool calls and reasoning themselves."""
    for item in _mappings(output):
        yield from _parts(item["content"] if item.get("type") == "message" else item)


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    return (item for item in (value if isinstance(value, list | tuple) else ()) if isinstance(item, Mapping))


def _answered(parts: Iterable[Part], reason: Any) -> Message:
    message: Message = {"role": "assistant", "parts": list(parts)}
    if isinstance(reason, str):
        message["finish_reason"] = {"tool_calls": "tool_call", "tool_use": "tool_call"}.get(reason, reason)
    return message
