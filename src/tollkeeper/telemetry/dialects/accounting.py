"""From an emitter's counts to `Usage`: with the caches in the input, and the thoughts in the output.

Emitters count differently, and do not say so. Three things tell, in this order: numbers that fit one way only, what is
known of the emitter and the provider, and a total that is the sum one way only.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from tollkeeper.model import Usage
from tollkeeper.model.usage import NOTHING
from tollkeeper.telemetry.dialects.observed import CacheAccounting

Convention = Literal["inclusive", "exclusive"] | None


class Counts(NamedTuple):
    """Tokens as an emitter said them; `None` where it said nothing."""

    input: int | None = None
    output: int | None = None
    total: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    reasoning: int | None = None
    input_audio: int | None = None
    input_image: int | None = None
    cache_read_audio: int | None = None
    cache_read_image: int | None = None
    output_audio: int | None = None
    output_image: int | None = None


def usage_of(counts: Counts, input_has_caches: Convention, output_has_thoughts: bool) -> tuple[Usage, CacheAccounting]:
    """What was used, and how the input was understood."""
    counts = _without_placeholders(counts)
    accounting = _accounting(counts, input_has_caches)
    read, written = counts.cache_read, _written(counts)
    tokens = counts.input
    if tokens is not None and accounting == "exclusive":
        tokens += (read or 0) + (written or 0)
    output = counts.output
    if output is not None and counts.reasoning and (not output_has_thoughts or counts.reasoning > output):
        output += counts.reasoning
    usage = Usage(
        input_tokens=tokens,
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=counts.cache_write_1h,
        reasoning_tokens=counts.reasoning,
        input_audio_tokens=counts.input_audio,
        input_image_tokens=counts.input_image,
        cache_read_audio_tokens=counts.cache_read_audio,
        cache_read_image_tokens=counts.cache_read_image,
        output_audio_tokens=counts.output_audio,
        output_image_tokens=counts.output_image,
    )
    return (NOTHING if tokens is None and output is None else usage), accounting


def _without_placeholders(counts: Counts) -> Counts:
    """No call reads nothing: some emitters write 0 where they know nothing."""
    if counts.input == 0 and not counts.cache_read and not _written(counts):
        counts = counts._replace(input=None)
        if not counts.output:
            return Counts()
    return counts


def _written(counts: Counts) -> int | None:
    return counts.cache_write if counts.cache_write is not None else counts.cache_write_1h


def _accounting(counts: Counts, known: Convention) -> CacheAccounting:
    cached = (counts.cache_read or 0) + (_written(counts) or 0)
    if not cached or counts.input is None:
        return known or "inclusive"
    if cached > counts.input:
        return "exclusive"
    if known is not None:
        return known
    if counts.total is not None and counts.output is not None:
        if counts.total == counts.input + counts.output + cached:
            return "exclusive"
        if counts.total == counts.input + counts.output:
            return "inclusive"
    return "assumed"
