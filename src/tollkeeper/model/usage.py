"""What a call used, as inclusive totals, and its split into the disjoint meters that are billed."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, NamedTuple, get_args

Meter = Literal[
    "input",
    "input_audio",
    "input_image",
    "input_video",
    "cache_read",
    "cache_read_audio",
    "cache_read_image",
    "cache_write_5m",
    "cache_write_1h",
    "output",
    "output_audio",
    "output_image",
    "reasoning",
    "web_searches",
    "input_audio_seconds",
    "input_characters",
    "output_images",
    "requests",
]
"""What a provider can bill. The token meters are disjoint: each token of a call is in exactly one."""

TOKEN_METERS: tuple[Meter, ...] = get_args(Meter)[:13]
INPUT_METERS = TOKEN_METERS[:9]
OUTPUT_METERS = TOKEN_METERS[9:]

Quantity = int | Decimal
"""A count of tokens, searches or requests is an int; a length of audio is a Decimal of seconds."""


class Usage(NamedTuple):
    """Token counts of one call, by the GenAI semantic conventions.

    `input_tokens` is the total, cached and audio tokens included; `output_tokens` is the total, reasoning included.
    Every other token field is a part of one of the two. `None` means that the provider does not say; it is never zero.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    reasoning_tokens: int | None = None
    input_audio_tokens: int | None = None
    input_image_tokens: int | None = None
    input_video_tokens: int | None = None
    cache_read_audio_tokens: int | None = None
    cache_read_image_tokens: int | None = None
    output_audio_tokens: int | None = None
    output_image_tokens: int | None = None
    web_searches: int | None = None
    input_audio_seconds: Decimal | None = None
    input_characters: int | None = None
    output_images: int | None = None

    @property
    def known(self) -> bool:
        """Whether the provider said anything at all."""
        return self != NOTHING

    def billable(self) -> Mapping[Meter, Quantity]:
        """The disjoint meters that are not zero, and one request.

        The token meters sum to `input_tokens + output_tokens` exactly. Where a provider contradicts itself (more
        cached than prompt tokens, or fewer than none), the parts are cut to fit the total, in the order in which they
        are written here.
        """
        meters: dict[Meter, Quantity] = {}
        if (tokens := self.input_tokens) and tokens > 0:
            self._split_input(meters, tokens)
        if (tokens := self.output_tokens) and tokens > 0:
            self._split_output(meters, tokens)
        if (searches := self.web_searches) and searches > 0:
            meters["web_searches"] = searches
        if (seconds := self.input_audio_seconds) and seconds > 0:
            meters["input_audio_seconds"] = seconds
        if (characters := self.input_characters) and characters > 0:
            meters["input_characters"] = characters
        if (images := self.output_images) and images > 0:
            meters["output_images"] = images
        meters["requests"] = 1
        return meters

    def _split_input(self, meters: dict[Meter, Quantity], left: int) -> None:
        audio, image = self.input_audio_tokens or 0, self.input_image_tokens or 0
        if (cached := self.cache_read_tokens) and cached > 0:
            text = cached = min(cached, left)
            # A cached token of a modality is in both counts, and is billed as cached.
            if of_cache := self.cache_read_audio_tokens:
                text = _take(meters, "cache_read_audio", of_cache, text)
                audio -= cached - text
            if of_cache := self.cache_read_image_tokens:
                before, text = text, _take(meters, "cache_read_image", of_cache, text)
                image -= before - text
            _take(meters, "cache_read", text, text)
            left -= cached
        if (written := self.cache_write_tokens or self.cache_write_1h_tokens) and written > 0:
            written = min(written, left)
            minutes = _take(meters, "cache_write_1h", self.cache_write_1h_tokens or 0, written)
            _take(meters, "cache_write_5m", minutes, minutes)
            left -= written
        if audio:
            left = _take(meters, "input_audio", audio, left)
        if image:
            left = _take(meters, "input_image", image, left)
        if video := self.input_video_tokens:
            left = _take(meters, "input_video", video, left)
        if left:
            meters["input"] = left

    def _split_output(self, meters: dict[Meter, Quantity], left: int) -> None:
        if reasoning := self.reasoning_tokens:
            left = _take(meters, "reasoning", reasoning, left)
        if audio := self.output_audio_tokens:
            left = _take(meters, "output_audio", audio, left)
        if image := self.output_image_tokens:
            left = _take(meters, "output_image", image, left)
        if left:
            meters["output"] = left


def _take(meters: dict[Meter, Quantity], meter: Meter, wanted: int, left: int) -> int:
    """Move up to `wanted` tokens into a meter; returns how many are left."""
    part = min(wanted, left)
    if part <= 0:
        return left
    meters[meter] = part
    return left - part


NOTHING = Usage()


class Pass(NamedTuple):
    """A billed pass inside one call that the call's own totals leave out (Anthropic: compaction, advisor, fallback)."""

    kind: str
    model: str | None
    usage: Usage
