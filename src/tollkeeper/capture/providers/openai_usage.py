"""The usage object of the Chat Completions and Responses shapes, as OpenAI and the many that copy it report it.

Both totals are inclusive at OpenAI. Some services report reasoning or audio *beside* a total instead of inside it; their
`total_tokens` gives them away, and decides. A few name the price of the call as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from tollkeeper.capture.payload import count, field
from tollkeeper.model import Call, Usage
from tollkeeper.model.usage import NOTHING

XAI_TICKS_PER_USD = Decimal(10) ** 10
"""https://docs.x.ai: `cost_in_usd_ticks` counts ten-billionths of a dollar."""


def read_usage(call: Call, usage: Any) -> None:
    """Write what a usage object says into `call`."""
    if usage is None or isinstance(usage, str):
        return
    read = _tokens(usage)
    if read != NOTHING:
        call.usage = read
        call.usage_source = "provider"
    call.provider_cost = provider_cost(usage)


def _tokens(usage: Any) -> Usage:
    prompt = _first(usage, "prompt_tokens", "input_tokens")
    completion = _first(usage, "completion_tokens", "output_tokens")
    inside = _either(usage, "prompt_tokens_details", "input_tokens_details", "input_token_details")
    outside = _either(usage, "completion_tokens_details", "output_tokens_details", "output_token_details")
    audio, reasoning = count(inside, "audio_tokens"), count(outside, "reasoning_tokens")
    cached = _first(inside, "cached_tokens")
    if cached is None:
        cached = _first(usage, "prompt_cache_hit_tokens", "num_cached_tokens", "cache_read_input_tokens", "cached_tokens")
    written = _first(inside, "cache_write_tokens", "cache_creation_tokens")
    if written is None:
        written = count(usage, "cache_creation_input_tokens")
    stated = count(usage, "total_tokens")
    if stated is not None and prompt is not None:
        prompt, completion = _reconcile(stated, prompt, completion, audio, reasoning)
    seconds = field(usage, "seconds")
    if seconds is None:
        seconds = field(usage, "duration")
    return Usage(
        input_tokens=prompt,
        output_tokens=completion,
        cache_read_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=reasoning,
        input_audio_tokens=audio or None,
        input_image_tokens=count(inside, "image_tokens") or None,
        input_video_tokens=count(inside, "video_tokens") or None,
        output_audio_tokens=count(outside, "audio_tokens") or None,
        output_image_tokens=count(outside, "image_tokens") or None,
        web_searches=_web_searches(usage),
        input_audio_seconds=_decimal(seconds),
    )


def _first(source: Any, *names: str) -> int | None:
    for name in names:
        value = count(source, name)
        if value is not None:
            return value
    return None


def _either(source: Any, *names: str) -> Any:
    for name in names:
        value = field(source, name)
        if value is not None:
            return value
    return None


def _reconcile(
    stated: int, prompt: int, completion: int | None, audio: int | None, reasoning: int | None
) -> tuple[int, int | None]:
    """Add what was reported beside a total, where `total_tokens` shows that it was: xAI's reasoning, Mistral's audio."""
    unexplained = stated - prompt - (completion or 0)
    if unexplained <= 0:
        return prompt, completion
    if reasoning and unexplained == reasoning:
        return prompt, (completion or 0) + reasoning
    if audio and unexplained == audio:
        return prompt + audio, completion
    if reasoning and audio and unexplained == reasoning + audio:
        return prompt + audio, (completion or 0) + reasoning
    return prompt, completion


def _web_searches(usage: Any) -> int | None:
    for name in ("server_tool_use_details", "server_tool_use"):
        searches = count(field(usage, name), "web_search_requests")
        if searches is not None:
            return searches
    return None


def _decimal(value: Any) -> Decimal | None:
    """A number as the text of it says: `0.1` is a tenth, not the binary fraction nearest to it."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and number >= 0 else None


def provider_cost(usage: Any) -> Decimal | None:
    """The price in US dollars that the answer itself names: OpenRouter, Perplexity, DeepInfra, xAI."""
    cost = field(usage, "cost")
    if cost is not None:
        return _decimal(field(cost, "total_cost") if isinstance(cost, Mapping) or hasattr(cost, "total_cost") else cost)
    ticks = _decimal(field(usage, "cost_in_usd_ticks"))
    if ticks is not None:
        return ticks / XAI_TICKS_PER_USD
    return _decimal(field(usage, "estimated_cost"))


