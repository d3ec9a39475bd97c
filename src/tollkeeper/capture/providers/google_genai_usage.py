"""What the Gemini API says that a call has used: `usageMetadata` of models and live sessions, `usage` of interactions.

The prompt count has cached tokens in it; results of server-side tools are beside it, and so are thoughts beside the
candidates: unless the stated total shows that they are not (live sessions report thoughts inside the response).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from tollkeeper.capture.payload import count, field, text, total
from tollkeeper.model import Call, Usage
from tollkeeper.model.usage import NOTHING

TIER_HEADER = "x-gemini-service-tier"

BILLED_BY_QUERY = 3
"""From Gemini 3 on each search query is billed; before, each prompt that was grounded.
https://ai.google.dev/gemini-api/docs/google-search#pricing"""

_GENERATION = re.compile(r"gemini-(\d+)")


def read_usage(call: Call, usage: Any) -> None:
    """A `usage_metadata` object, of whatever surface."""
    read = usage_of(usage)
    if read != NOTHING:
        call.usage = read
        call.usage_source = "provider"
    call.service_tier = _tier(usage) or call.service_tier


def _tier(usage: Any) -> str | None:
    """Vertex AI names the kind of traffic, the Gemini API the tier; either in any spelling."""
    tier = text(usage, "traffic_type") or text(usage, "service_tier")
    return tier.lower() if tier and not tier.lower().endswith("unspecified") else None


def usage_of(usage: Any) -> Usage:
    prompt, tools = count(usage, "prompt_token_count"), count(usage, "tool_use_prompt_token_count")
    written, thoughts = (
        _first(usage, "candidates_token_count", "response_token_count"),
        count(usage, "thoughts_token_count"),
    )
    asked = total(prompt, tools)
    inputs = _modalities(usage, "prompt_tokens_details", "tool_use_prompt_tokens_details")
    cached = _modalities(usage, "cache_tokens_details")
    outputs = _modalities(usage, "candidates_tokens_details", "response_tokens_details")
    return _usage(
        asked, _output(asked, written, thoughts, count(usage, "total_token_count")),
        count(usage, "cached_content_token_count"), thoughts, inputs, cached, outputs,
    )  # fmt: skip


def interaction_usage(usage: Any) -> Usage:
    """The usage of an interaction: other names, the same meanings; it also counts the searches."""
    asked = total(count(usage, "total_input_tokens"), count(usage, "total_tool_use_tokens"))
    written, thoughts = count(usage, "total_output_tokens"), count(usage, "total_thought_tokens")
    inputs = _modalities(usage, "input_tokens_by_modality", "tool_use_tokens_by_modality")
    cached = _modalities(usage, "cached_tokens_by_modality")
    outputs = _modalities(usage, "output_tokens_by_modality")
    return _usage(
        asked, _output(asked, written, thoughts, count(usage, "total_tokens")),
        count(usage, "total_cached_tokens"), thoughts, inputs, cached, outputs, _counted_searches(usage),
    )  # fmt: skip


def _usage(
    asked: int | None,
    answered: int | None,
    cached: int | None,
    thoughts: int | None,
    inputs: Mapping[str, int],
    cached_inputs: Mapping[str, int],
    outputs: Mapping[str, int],
    searches: int | None = None,
) -> Usage:
    # There is no meter for cached video: what was cached of it is billed as `cache_read`, and must not count again.
    video = inputs.get("video", 0) - cached_inputs.get("video", 0)
    return Usage(
        input_tokens=asked,
        output_tokens=answered,
        cache_read_tokens=cached,
        reasoning_tokens=thoughts,
        input_audio_tokens=inputs.get("audio"),
        input_image_tokens=inputs.get("image"),
        input_video_tokens=video if video > 0 else None,
        cache_read_audio_tokens=cached_inputs.get("audio"),
        cache_read_image_tokens=cached_inputs.get("image"),
        output_audio_tokens=outputs.get("audio"),
        output_image_tokens=outputs.get("image"),
        web_searches=searches,
    )


def _output(asked: int | None, written: int | None, thoughts: int | None, stated: int | None) -> int | None:
    if thoughts and written is not None and stated is not None and stated == (asked or 0) + written:
        return written
    return total(written, thoughts)


def _modalities(usage: Any, *names: str) -> dict[str, int]:
    """Tokens by modality, `{"audio": 285}`, over all the lists of these names."""
    found: dict[str, int] = {}
    for name in names:
        for row in _rows(usage, name):
            modality, tokens = text(row, "modality"), _first(row, "token_count", "tokens")
            if modality and tokens:
                found[modality.lower()] = found.get(modality.lower(), 0) + tokens
    return found


def _rows(source: Any, name: str) -> Iterable[Any]:
    rows = field(source, name)
    return rows if isinstance(rows, list | tuple) else ()


def _first(source: Any, *names: str) -> int | None:
    for name in names:
        value = count(source, name)
        if value is not None:
            return value
    return None


def _counted_searches(usage: Any) -> int | None:
    searches = [
        count(row, "count") for row in _rows(usage, "grounding_tool_count") if text(row, "type") == "google_search"
    ]
    return total(*searches)


def web_searches(model: str | None, candidates: Any) -> int | None:
    """How many searches a grounded answer is billed for. Empty queries are not billed."""
    queries = 0
    for candidate in candidates if isinstance(candidates, list | tuple) else ():
        asked = field(field(candidate, "grounding_metadata"), "web_search_queries")
        queries += sum(1 for query in asked if query) if isinstance(asked, list | tuple) else 0
    if not queries:
        return None
    generation = _GENERATION.search(model or "")
    return queries if generation is not None and int(generation[1]) >= BILLED_BY_QUERY else 1


def embedding_usage(answer: Any) -> Usage:
    """Newer models report like others; older ones on Vertex AI count the tokens of each text, or its characters."""
    read = usage_of(field(answer, "usage_metadata"))
    if read != NOTHING:
        return read
    statistics = [field(embedding, "statistics") for embedding in _rows(answer, "embeddings")]
    return Usage(
        input_tokens=total(*(count(one, "token_count") for one in statistics)),
        input_characters=count(field(answer, "metadata"), "billable_character_count"),
    )


_HUMP = re.compile(r"(?<=[a-z0-9])([A-Z])")


def in_snake_case(value: Any) -> Any:
    """JSON as it came over the wire, with the SDK's names: `usageMetadata` becomes `usage_metadata`."""
    if isinstance(value, dict):
        return {_HUMP.sub(r"_\1", key).lower(): in_snake_case(item) for key, item in value.items()}
    return [in_snake_case(item) for item in value] if isinstance(value, list) else value


@functools.lru_cache(maxsize=64)
def address_of(base_url: str) -> tuple[str | None, int]:
    """Host and port."""
    url = urlsplit(base_url)
    return url.hostname, url.port or (80 if url.scheme == "http" else 443)
