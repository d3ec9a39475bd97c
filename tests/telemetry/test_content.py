"""Content in the conventions' message format, from the shapes of each provider."""

from __future__ import annotations

import pytest

from tollkeeper.telemetry.content import (
    INPUT_MESSAGES,
    OUTPUT_MESSAGES,
    SYSTEM_INSTRUCTIONS,
    TOOL_DEFINITIONS,
    content_attributes,
)


def text(content: str) -> dict[str, str]:
    return {"type": "text", "content": content}


CALL = {"type": "tool_call", "id": "c1", "name": "look_up", "arguments": {"q": "x"}}

ANSWERS = {
    "chat": (
        {"choices": [{"message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}]},
        [{"role": "assistant", "parts": [text("hello")], "finish_reason": "stop"}],
    ),
    "chat with a tool call": (
        {
            "choices": [
                {
                    "finish_reason": "tool_calls",
                    "message": {
                        "content": None,
                        "tool_calls": [{"id": "c1", "function": {"name": "look_up", "arguments": '{"q": "x"}'}}],
                    },
                }
            ]
        },
        [{"role": "assistant", "parts": [CALL], "finish_reason": "tool_call"}],
    ),
    "responses": (
        {
            "status": "completed",
            "output": [
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
                {"type": "message", "content": [{"type": "output_text", "text": "hello"}]},
                {"type": "function_call", "call_id": "c1", "name": "look_up", "arguments": '{"q": "x"}'},
            ],
        },
        [
            {
                "role": "assistant",
                "parts": [{"type": "reasoning", "content": "hm"}, text("hello"), CALL],
                "finish_reason": "completed",
            }
        ],
    ),
    "anthropic": (
        {
            "stop_reason": "tool_use",
            "content": [
                {"type": "thinking", "thinking": "hm"},
                {"type": "text", "text": "hello"},
                {"type": "tool_use", "id": "c1", "name": "look_up", "input": {"q": "x"}},
            ],
        },
        [
            {
                "role": "assistant",
                "parts": [{"type": "reasoning", "content": "hm"}, text("hello"), CALL],
                "finish_reason": "tool_call",
            }
        ],
    ),
    "gemini": (
        {"candidates": [{"content": {"role": "model", "parts": [{"text": "hello"}]}, "finish_reason": "STOP"}]},
        [{"role": "assistant", "parts": [text("hello")], "finish_reason": "STOP"}],
    ),
    "bedrock converse": (
        {"output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}}, "stopReason": "end_turn"},
        [{"role": "assistant", "parts": [text("hello")], "finish_reason": "end_turn"}],
    ),
    "ollama": (
        {"message": {"role": "assistant", "content": "hello"}, "done_reason": "stop"},
        [{"role": "assistant", "parts": [text("hello")], "finish_reason": "stop"}],
    ),
}


@pytest.mark.parametrize("shape", ANSWERS)
def test_answers_become_messages(shape: str) -> None:
    """Every provider's answer is the same kind of message."""
    answer, expected = ANSWERS[shape]
    assert content_attributes({}, answer, None, str)[OUTPUT_MESSAGES] == expected


def test_requests_become_messages_instructions_and_tools() -> None:
    """Roles, tool results, system instructions and tool names are kept apart."""
    body = {
        "system": [{"type": "text", "text": "be brief"}],
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "tool", "tool_call_id": "c1", "content": "42"},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
        ],
        "tools": [{"type": "function", "function": {"name": "look_up", "parameters": {}}}],
    }
    attributes = content_attributes(body, None, None, str)
    assert attributes[SYSTEM_INSTRUCTIONS] == [text("be brief")]
    assert attributes[TOOL_DEFINITIONS] == [{"type": "function", "name": "look_up"}]
    assert [message["parts"][0] for message in attributes[INPUT_MESSAGES]] == [
        text("hi"),
        {"type": "tool_call_response", "id": "c1", "response": "42"},
        {"type": "blob", "modality": "image", "content": ""},
    ]


def test_a_stream_has_the_text_that_came() -> None:
    assert content_attributes({}, None, "hello", str)[OUTPUT_MESSAGES] == [
        {"role": "assistant", "parts": [text("hello")]}
    ]


def test_every_text_is_redacted() -> None:
    """Tool arguments and results too."""
    body = {"messages": [{"role": "user", "content": "my secret"}], "system": "secret"}
    answer = {"content": [{"type": "tool_use", "id": "c", "name": "f", "input": {"key": "secret"}}]}
    attributes = content_attributes(body, answer, None, lambda text: text.replace("secret", "***"))
    assert "secret" not in repr(attributes)
    assert attributes[OUTPUT_MESSAGES][0]["parts"][0]["arguments"] == {"key": "***"}


@pytest.mark.parametrize("odd", [None, 7, "x", [], {"choices": None}, {"choices": [None, 3]}, {"content": [None, 5]}])
def test_odd_answers_have_no_messages(odd: object) -> None:
    assert OUTPUT_MESSAGES not in content_attributes({"messages": 5, "tools": [None]}, odd, None, str)
