# ruff: noqa: PLC0415  an environment has only some of these libraries
"""The calls that are made, each in its own way: directly with the SDKs, through Pydantic AI, or through LiteLLM."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

Call = Callable[[Mapping[str, str]], Any]
Cases = dict[str, tuple[Call, str]]
"""By name: what is called, with the headers that it is to send, and the simulator's knobs."""

ASK: Any = [{"role": "user", "content": "Name three colours, and say why."}]
LONG = [{"type": "text", "text": "Rules of the house. " * 300, "cache_control": {"type": "ephemeral"}}]
CLAUDE: dict[str, Any] = {"model": "claude-sonnet-4-5", "max_tokens": 200, "messages": ASK}
TOOLS: Any = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]
USAGE = {"include_usage": True}
MOSTLY_CACHED = "input-tokens=1200,cached-tokens=1000"
LITTLE_CACHED = "input-tokens=1200,cached-tokens=100"
REASONED = "output-tokens=300,reasoning-tokens=256"


def exhaust(stream: Any) -> None:
    for _ in stream:
        pass


def by_openai(url: str) -> Cases:
    import openai

    gpt = openai.OpenAI(base_url=f"{url}/v1", api_key="sk-none", max_retries=0)
    later = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-none", max_retries=0)

    def chat(**more: Any) -> Call:
        asked = {"model": "gpt-4o-mini", "messages": ASK, **more}
        return lambda headers: gpt.chat.completions.create(**asked, extra_headers=headers)

    def responses(**more: Any) -> Call:
        asked = {"model": "gpt-4o-mini", "input": "Say hello.", **more}
        return lambda headers: gpt.responses.create(**asked, extra_headers=headers)

    def embeddings(headers: Mapping[str, str]) -> None:
        gpt.embeddings.create(model="text-embedding-3-small", input=["one", "two"], extra_headers=headers)

    async def stream_later(headers: Mapping[str, str]) -> None:
        asked: Any = {"model": "gpt-4o-mini", "messages": ASK, "stream_options": USAGE, "stream": True}
        async for _ in await later.chat.completions.create(**asked, extra_headers=headers):
            pass

    return {
        "chat": (chat(), ""),
        "chat_cached": (chat(), MOSTLY_CACHED),
        "chat_reasoning": (chat(model="o3-mini"), REASONED),
        "chat_choices": (chat(n=3), ""),
        "chat_tool": (chat(tools=TOOLS), ""),
        "chat_stream": (lambda h: exhaust(chat(stream=True, stream_options=USAGE)(h)), MOSTLY_CACHED),
        "chat_stream_silent": (lambda h: exhaust(chat(stream=True)(h)), ""),
        "chat_async_stream": (lambda h: asyncio.run(stream_later(h)), ""),
        "chat_busy": (chat(), "status=429"),
        "chat_missing": (chat(model="no-such-model"), ""),
        "responses": (responses(), MOSTLY_CACHED),
        "responses_stream": (lambda h: exhaust(responses(stream=True)(h)), MOSTLY_CACHED),
        "responses_reasoning": (responses(model="gpt-5-mini"), REASONED),
        "embeddings": (embeddings, ""),
    }


def by_anthropic(url: str) -> Cases:
    import anthropic

    claude = anthropic.Anthropic(base_url=url, api_key="sk-none", max_retries=0)
    later = anthropic.AsyncAnthropic(base_url=url, api_key="sk-none", max_retries=0)

    def message(**more: Any) -> Call:
        return lambda headers: claude.messages.create(**{**CLAUDE, **more}, extra_headers=headers)

    def helper(headers: Mapping[str, str]) -> None:
        with claude.messages.stream(**CLAUDE, extra_headers=headers) as stream:
            exhaust(stream.text_stream)

    async def message_later(headers: Mapping[str, str]) -> None:
        await later.messages.create(**CLAUDE, extra_headers=headers)

    return {
        "message": (message(), ""),
        "message_async": (lambda h: asyncio.run(message_later(h)), ""),
        "message_cached": (message(), MOSTLY_CACHED),
        "message_cached_little": (message(), LITTLE_CACHED),
        "message_written": (message(system=LONG), ""),
        "message_stream": (lambda h: exhaust(message(stream=True)(h)), ""),
        "message_stream_cached": (lambda h: exhaust(message(stream=True)(h)), MOSTLY_CACHED),
        "message_helper": (helper, ""),
        "message_busy": (message(), "status=529"),
    }


def by_sdks(url: str) -> Cases:
    return {**by_openai(url), **by_anthropic(url)}


def by_pydantic_ai(url: str) -> Cases:
    import anthropic
    import openai
    from pydantic_ai import Agent
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.anthropic import AnthropicProvider
    from pydantic_ai.providers.openai import OpenAIProvider

    def run(model: Callable[[], Any]) -> Call:
        return lambda headers: Agent(model()).run_sync(ASK[0]["content"], model_settings={"extra_headers": headers})

    def gpt(name: str) -> Call:
        client = openai.AsyncOpenAI
        return run(
            lambda: OpenAIChatModel(
                name, provider=OpenAIProvider(openai_client=client(base_url=f"{url}/v1", api_key="x", max_retries=0))
            )
        )

    def claude() -> Call:
        client = anthropic.AsyncAnthropic
        return run(
            lambda: AnthropicModel(
                "claude-sonnet-4-5",
                provider=AnthropicProvider(anthropic_client=client(base_url=url, api_key="x", max_retries=0)),
            )
        )

    return {
        "chat_cached": (gpt("gpt-4o-mini"), MOSTLY_CACHED),
        "chat_reasoning": (gpt("o3-mini"), REASONED),
        "chat_busy": (gpt("gpt-4o-mini"), "status=429"),
        "message_cached": (claude(), MOSTLY_CACHED),
        "message_cached_little": (claude(), LITTLE_CACHED),
    }


def by_litellm(url: str) -> Cases:
    import litellm

    def ask(model: str, base: str, **more: Any) -> Call:
        def call(headers: Mapping[str, str]) -> None:
            given: Any = {"model": model, "api_base": base, "api_key": "sk-none", "num_retries": 0, "user": "u-17"}
            answer = litellm.completion(messages=ASK, extra_headers=headers, **given, **more)
            if more:
                exhaust(answer)

        return call

    gpt, claude = ("openai/gpt-4o-mini", f"{url}/v1"), ("anthropic/claude-sonnet-4-5", url)
    return {
        "chat_cached": (ask(*gpt), MOSTLY_CACHED),
        "chat_stream": (ask(*gpt, stream=True, stream_options=USAGE), MOSTLY_CACHED),
        "chat_reasoning": (ask("openai/o3-mini", f"{url}/v1"), REASONED),
        "chat_busy": (ask(*gpt), "status=429"),
        "message_cached": (ask(*claude), MOSTLY_CACHED),
        "message_cached_little": (ask(*claude), LITTLE_CACHED),
    }
