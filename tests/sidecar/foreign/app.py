"""An app that somebody else has instrumented: it makes one call for each case, and ships its telemetry by OTLP/HTTP.

    python app.py EMITTER SIMULATOR_URL [CASE …]

It runs in an environment of its own, where Tollkeeper is not installed, and says on its last line of output which cases
it has run. `OTEL_EXPORTER_OTLP_ENDPOINT` says where to. Every case has a span of its own around it, which is the
trace that it is known by.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

os.environ.setdefault("OTEL_SERVICE_NAME", "foreign-app")
os.environ.setdefault("OTEL_METRICS_EXPORTER", "none")
# The Anthropic SDK has spans of its own too: they are there when they are asked for.
os.environ.setdefault("ANTHROPIC_OPEN_TELEMETRY", "false")

import anthropic  # noqa: E402
import openai  # noqa: E402
from emitters import EMITTERS  # noqa: E402

URL = sys.argv[2]
ASK: Any = [{"role": "user", "content": "Name three colours, and say why."}]
LONG = [{"type": "text", "text": "Rules of the house. " * 300, "cache_control": {"type": "ephemeral"}}]
CLAUDE: dict[str, Any] = {"model": "claude-sonnet-4-5", "max_tokens": 200, "messages": ASK}
TOOLS: Any = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]

gpt: Any
later_gpt: Any
claude: Any
later_claude: Any


def connect() -> None:
    """Made when everything is set up: an SDK that traces itself looks for a tracer then."""
    global gpt, later_gpt, claude, later_claude
    gpt = openai.OpenAI(base_url=f"{URL}/v1", api_key="sk-none", max_retries=0)
    later_gpt = openai.AsyncOpenAI(base_url=f"{URL}/v1", api_key="sk-none", max_retries=0)
    claude = anthropic.Anthropic(base_url=URL, api_key="sk-none", max_retries=0)
    later_claude = anthropic.AsyncAnthropic(base_url=URL, api_key="sk-none", max_retries=0)

Call = Callable[[Mapping[str, str]], Any]


def exhaust(stream: Any) -> None:
    for _ in stream:
        pass


async def exhaust_later(opening: Any) -> None:
    async for _ in await opening:
        pass


def chat(h: Mapping[str, str], **more: Any) -> Any:
    return gpt.chat.completions.create(
        **{"model": "gpt-4o-mini", "messages": ASK, **more}, extra_headers=dict(h)
    )


def chat_stream(h: Mapping[str, str], **more: Any) -> None:
    exhaust(chat(h, stream=True, **more))


def responses(h: Mapping[str, str], **more: Any) -> Any:
    return gpt.responses.create(**{"model": "gpt-4o-mini", "input": "Say hello.", **more}, extra_headers=dict(h))


def message(h: Mapping[str, str], **more: Any) -> Any:
    return claude.messages.create(**{**CLAUDE, **more}, extra_headers=dict(h))


def message_stream(h: Mapping[str, str], **more: Any) -> None:
    exhaust(message(h, stream=True, **more))


def message_helper(h: Mapping[str, str]) -> None:
    with claude.messages.stream(**CLAUDE, extra_headers=dict(h)) as stream:
        exhaust(stream.text_stream)


def chat_later(h: Mapping[str, str]) -> None:
    asyncio.run(
        exhaust_later(
            later_gpt.chat.completions.create(
                model="gpt-4o-mini",
                messages=ASK,
                stream=True,
                stream_options={"include_usage": True},
                extra_headers=dict(h),
            )
        )
    )


def message_later(h: Mapping[str, str]) -> None:
    async def run() -> None:
        await later_claude.messages.create(**CLAUDE, extra_headers=dict(h))

    asyncio.run(run())


USAGE = {"include_usage": True}
CACHED = "input-tokens=1200,cached-tokens=1000"
CASES: dict[str, tuple[Call, str]] = {
    "chat": (chat, ""),
    "chat_cached": (chat, CACHED),
    "chat_reasoning": (lambda h: chat(h, model="o3-mini"), "output-tokens=300,reasoning-tokens=256"),
    "chat_choices": (lambda h: chat(h, n=3), ""),
    "chat_tool": (lambda h: chat(h, tools=TOOLS), ""),
    "chat_stream": (lambda h: chat_stream(h, stream_options=USAGE), CACHED),
    "chat_stream_silent": (chat_stream, ""),
    "chat_async_stream": (chat_later, ""),
    "chat_busy": (chat, "status=429"),
    "chat_missing": (lambda h: chat(h, model="missing-model"), ""),
    "responses": (responses, CACHED),
    "responses_stream": (lambda h: exhaust(responses(h, stream=True)), CACHED),
    "responses_reasoning": (lambda h: responses(h, model="gpt-5-mini"), "output-tokens=300,reasoning-tokens=256"),
    "embeddings": (
        lambda h: gpt.embeddings.create(model="text-embedding-3-small", input=["one", "two"], extra_headers=dict(h)),
        "",
    ),
    "message": (message, ""),
    "message_async": (message_later, ""),
    "message_cached": (message, "input-tokens=1200,cached-tokens=1000"),
    "message_cached_little": (message, "input-tokens=1200,cached-tokens=100"),
    "message_written": (lambda h: message(h, system=LONG), ""),
    "message_stream": (message_stream, ""),
    "message_stream_cached": (message_stream, "input-tokens=1200,cached-tokens=1000"),
    "message_helper": (message_helper, ""),
    "message_busy": (message, "status=529"),
}


def main() -> None:
    emitter, wanted = sys.argv[1], sys.argv[3:] or list(CASES)
    emitted = EMITTERS[emitter](f"{os.environ['OTEL_EXPORTER_OTLP_ENDPOINT']}")
    connect()
    for name in wanted:
        case, knobs = CASES[name]
        headers = {"X-Case": name, **({"X-Simulator": knobs} if knobs else {})}
        with emitted.tracer.start_as_current_span(f"case {name}"):
            try:
                case(headers)
            except (openai.APIStatusError, anthropic.APIStatusError):
                pass
    emitted.flush()
    print(json.dumps(wanted))


if __name__ == "__main__":
    main()
