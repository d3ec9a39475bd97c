"""The most that a request can take in and give out, read from its body.

Tokens come from bytes: every token of a byte-level tokenizer is at least one byte of UTF-8, and what a provider adds
around a message (a role, some separators) is shorter than the JSON that says the same. So the bytes of the body's texts
and names are never less than its tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from tollkeeper.model import Call
from tollkeeper.pricing.bound import Demand

AROUND = 8
"""Bytes counted for each value of the body beside its text: quotes, separators, and a message's own frame."""

TOOLS = 2_048
"""What a provider adds to a request with tools. Anthropic documents up to 735 tokens, and some for each hosted tool:
https://docs.claude.com/en/docs/agents-and-tools/tool-use/overview#pricing"""

IMAGES: tuple[tuple[str, int], ...] = (
    # https://platform.openai.com/docs/guides/images-vision#calculating-costs: 2833 + 5667 for each of eight tiles
    ("*gpt-4o-mini*", 48_169),
    # 258 for each tile of 768 pixels: https://ai.google.dev/gemini-api/docs/tokens
    ("*gemini*", 50_000),
    # Claude takes (width x height) / 750 of at most 2576 pixels a side; the other GPTs 85 + 170 for each tile.
    ("*", 8_900),
)
"""The most tokens of one image, by model."""

_UNTOLD = ("previous_response_id", "conversation", "cached_content", "cachedContent", "prompt_template")
_SOUND = frozenset(("input_audio", "audio"))
_FILES = frozenset(
    ("file", "input_file", "document", "file_data", "fileData", "video", "video_url", "container_upload")
)
_PICTURES = frozenset(("image", "image_url", "input_image"))
_PLAIN_TOOLS = frozenset(("function", "custom", None))
DEEPEST = 24


class _Reading:
    """What was found in a body so far."""

    __slots__ = ("audio", "images", "size", "why")

    def __init__(self) -> None:
        self.size = self.images = 0
        self.audio = False
        self.why: str | None = None

    def read(self, value: Any, depth: int = 0) -> None:
        if isinstance(value, str):
            self.size += AROUND + (len(value) if value.isascii() else len(value.encode("utf-8", "replace")))
        elif depth > DEEPEST:
            self.why = "its body is nested too deeply to be read"
        elif isinstance(value, Mapping):
            self._note(value)
            for name, item in value.items():
                self.size += len(name) if isinstance(name, str) else AROUND
                self.read(item, depth + 1)
        elif isinstance(value, list | tuple):
            for item in value:
                self.read(item, depth + 1)
        elif isinstance(value, bytes):
            self.size += AROUND + len(value)
        elif hasattr(type(value), "model_fields"):  # a message made as the SDK's own (pydantic) object
            self.read(vars(value), depth + 1)
        elif value is None or isinstance(value, int | float):
            self.size += AROUND
        else:
            self.why = f"it holds a {type(value).__name__}, of which nobody can tell how many tokens it is"

    def _note(self, part: Mapping[str, Any]) -> None:
        kind = part.get("type")
        if kind in _PICTURES or "inline_data" in part or "inlineData" in part:
            self.images += 1
        elif kind in _SOUND:
            self.audio = True
        elif kind in _FILES or "file_data" in part or "fileData" in part:
            self.why = "it holds a file, of which nobody can tell how many tokens it is"


def demand_of(call: Call, body: Mapping[str, Any]) -> Demand:
    """What a request asks for, as far as its body says."""
    reading = _Reading()
    reading.read(body)
    tools = body.get("tools")
    if tools:
        reading.size += TOOLS
        if any(isinstance(tool, Mapping) and tool.get("type") not in _PLAIN_TOOLS for tool in tools):
            reading.why = "it has a tool that the provider runs, whose results nobody can tell the size of"
    for name in _UNTOLD:
        if body.get(name) is not None:
            reading.why = f"it goes on from something stored ({name}), of which nobody can tell the size"
    images = reading.images * next(most for glob, most in IMAGES if fnmatchcase(call.request_model or "", glob))
    return Demand(
        input_tokens=None if reading.why is not None else reading.size + images,
        output_tokens=_most_output(call),
        choices=call.parameters.get("gen_ai.request.choice.count", 1),
        has_audio=reading.audio or bool(body.get("modalities")),
        why=reading.why,
    )


def _most_output(call: Call) -> int | None:
    """Embeddings and moderations give out no tokens; others what the request says that they may."""
    if call.operation in ("embeddings", "moderation", "rerank", "transcription"):
        return 0
    most: int | None = call.parameters.get("gen_ai.request.max_tokens")
    return most
