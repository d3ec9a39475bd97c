"""What a call used, as inclusive totals, and its split into the disjoint meters that are billed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

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

TOKEN_METERS: tuple[Meter, ...] = (
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
)
INPUT_METERS = TOKEN_METERS[:9]
OUTPUT_METERS = TOKEN_METERS[9:]

Quantity = int | Decimal
"""A count of tokens, searches or requests is an int; a length of audio is a Decimal of seconds."""


@dataclass(frozen=True, slots=True)
class Usage:
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
        cached than prompt tokens, say), the parts are cut to fit the total, in the order in which they are written here.
        """
        meters: dict[Meter, Quantity] = {}
        self._split_input(meters)
        self._split_output(meters)
        if self.web_searches:
            meters["web_searches"] = self.web_searches
        if self.input_audio_seconds:
            meters["input_audio_seconds"] = self.input_audio_seconds
        if self.input_characters:
            meters["input_characters"] = self.input_characters
        if self.output_images:
            meters["output_images"] = self.output_images
        meters["requests"] = 1
        return meters

    def _split_input(self, meters: dict[Meter, Quantity]) -> None:
        left = self.input_tokens or 0
        if left <= 0:
            return
        if cached := self.cache_read_tokens:
            left = _cut(meters, left, cached, self.cache_read_audio_tokens, self.cache_read_image_tokens)
        if written := self.cache_write_tokens:
            written = min(written, left)
            hour = min(self.cache_write_1h_tokens or 0, written)
            _put(meters, "cache_write_1h", hour)
            _put(meters, "cache_write_5m", written - hour)
            left -= written
        for meter, total, of_cache in (
            ("input_audio", self.input_audio_tokens, self.cache_read_audio_tokens),
            ("input_image", self.input_image_tokens, self.cache_read_image_tokens),
            ("input_video", self.input_video_tokens, None),
        ):
            if total:
                part = min(max(total - (of_cache or 0), 0), left)
                _put(meters, meter, part)  # type: ignore[arg-type]
                left -= part
        _put(meters, "input", left)

    def _split_output(self, meters: dict[Meter, Quantity]) -> None:
        left = self.output_tokens or 0
        if left <= 0:
            return
        if reasoning := self.reasoning_tokens:
            part = min(reasoning, left)
            meters["reasoning"] = part
            left -= part
        if audio := self.output_audio_tokens:
            part = min(audio, left)
            _put(meters, "output_audio", part)
            left -= part
        if image := self.output_image_tokens:
            part = min(image, left)
            _put(meters, "output_image", part)
            left -= part
        _put(meters, "output", left)


def _put(meters: dict[Meter, Quantity], meter: Meter, quantity: int) -> None:
    if quantity > 0:
        meters[meter] = quantity


def _cut(meters: dict[Meter, Quantity], left: int, cached: int, audio: int | None, image: int | None) -> int:
    """Split what was read from a cache; returns what is left of the input after it."""
    cached = min(cached, left)
    audio = min(audio or 0, cached)
    image = min(image or 0, cached - audio)
    _put(meters, "cache_read_audio", audio)
    _put(meters, "cache_read_image", image)
    _put(meters, "cache_read", cached - audio - image)
    return left - cached


NOTHING = Usage()


@dataclass(frozen=True, slots=True)
class Pass:
    """A billed pass inside one call that the call's own totals leave out (Anthropic: compaction, advisor, fallback)."""

    kind: str
    model: str | None
    usage: Usage
