"""The usage object of the Chat Completions and Responses shapes, as OpenAI and the many that copy it report it.

Both totals are inclusive at OpenAI. Some services report reasoning or audio *beside* a total instead of inside it;
their `total_tokens` gives them away, and decides. A few name the price of the call as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context, Decimal, InvalidOperation
from typing import Any

from tollkeeper.capture.payload import EMPTY, as_count, mapping
from tollkeeper.model import Call, Usage
from tollkeeper.model.usage import NOTHING

XAI_TICKS_PER_USD = 10**10
"""https://docs.x.ai: `cost_in_usd_ticks` counts ten-billionths of a dollar."""

LARGEST_AMOUNT = 1_000_000
"""Of dollars, or of seconds, in one call. What is more is a mistake."""

_EXACT = Context(prec=60)
"""Ours, because the host program may have set its own decimal context to anything."""


def read_usage(call: Call, usage: Any) -> None:
    """Write what a usage object says into `call`."""
    if usage is None or isinstance(usage, str):
        return
    said = mapping(usage)
    read = _tokens(said)
    if read != NOTHING:
        call.usage = read
        call.usage_source = "provider"
    call.provider_cost = provider_cost(said)


def _tokens(said: Mapping[str, Any]) -> Usage:
    prompt = _first(said, "prompt_tokens", "input_tokens")
    completion = _first(said, "completion_tokens", "output_tokens")
    inside = _details(said, "prompt_tokens_details", "input_tokens_details", "input_token_details")
    outside = _details(said, "completion_tokens_details", "output_tokens_details", "output_token_details")
    audio, reasoning = as_count(inside.get("audio_tokens")), as_count(outside.get("reasoning_tokens"))
    cached, written = as_count(inside.get("cached_tokens")), as_count(inside.get("cache_write_tokens"))
    if cached is None:
        cached = _first(
            said, "prompt_cache_hit_tokens", "num_cached_tokens", "cache_read_input_tokens", "cached_tokens"
        )
    if written is None:
        written = as_count(said.get("cache_creation_input_tokens"))
    of_cache = _details(inside, "cached_tokens_details")
    stated = as_count(said.get("total_tokens"))
    if stated is not None and prompt is not None and stated > prompt + (completion or 0):
        prompt, completion = _reconcile(stated, prompt, completion, audio, reasoning)
    seconds = said.get("seconds", said.get("duration"))
    return Usage(
        input_tokens=prompt,
        output_tokens=completion,
        cache_read_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=reasoning,
        input_audio_tokens=audio or None,
        input_image_tokens=as_count(inside.get("image_tokens")) or None,
        input_video_tokens=as_count(inside.get("video_tokens")) or None,
        cache_read_audio_tokens=as_count(of_cache.get("audio_tokens")) or None,
        cache_read_image_tokens=as_count(of_cache.get("image_tokens")) or None,
        output_audio_tokens=as_count(outside.get("audio_tokens")) or None,
        output_image_tokens=as_count(outside.get("image_tokens")) or None,
        web_searches=_web_searches(said),
        input_audio_seconds=_decimal(seconds) if seconds is not None else None,
    )


def _first(said: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = as_count(said.get(name))
        if value is not None:
            return value
    return None


def _details(said: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    for name in names:
        value = said.get(name)
        if value is not None:
            return mapping(value)
    return EMPTY


def _reconcile(
    stated: int, prompt: int, completion: int | None, audio: int | None, reasoning: int | None
) -> tuple[int, int | None]:
    """Add what was reported beside a total, as `total_tokens` shows that it was: xAI's reasoning, Mistral's audio."""
    unexplained = stated - prompt - (completion or 0)
    if reasoning and unexplained == reasoning:
        return prompt, (completion or 0) + reasoning
    if audio and unexplained == audio:
        return prompt + audio, completion
    if reasoning and audio and unexplained == reasoning + audio:
        return prompt + audio, (completion or 0) + reasoning
    return prompt, completion


def _web_searches(said: Mapping[str, Any]) -> int | None:
    for name in ("server_tool_use_details", "server_tool_use"):
        tools = said.get(name)
        if tools is not None:
            return as_count(mapping(tools).get("web_search_requests"))
    return None


def _decimal(value: Any, units: int = 1) -> Decimal | None:
    """A number as the text of it says: `0.1` is a tenth, not the binary fraction nearest to it."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return _EXACT.divide(number, units) if number.is_finite() and 0 <= number <= LARGEST_AMOUNT * units else None


def provider_cost(said: Mapping[str, Any]) -> Decimal | None:
    """The price in US dollars that the answer itself names: OpenRouter, Perplexity, xAI, DeepInfra."""
    cost = said.get("cost")
    if cost is not None:
        return _decimal(cost if isinstance(cost, int | float | str) else mapping(cost).get("total_cost"))
    ticks = said.get("cost_in_usd_ticks")
    if ticks is not None and (amount := _decimal(ticks, XAI_TICKS_PER_USD)) is not None:
        return amount
    return _decimal(said.get("estimated_cost"))
