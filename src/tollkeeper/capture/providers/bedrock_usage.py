"""What a model on Bedrock says that a call has used.

Converse has one shape. InvokeModel passes on what each maker's model answers: an object `usage`, or a few counts in the
body, or nothing; then only the response headers, or the metrics in the last chunk of a stream, tell. All of them leave
cached tokens out of the input, except the shape of OpenAI's chat completions, which has them in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tollkeeper.capture.payload import count, field, text, total
from tollkeeper.capture.providers import openai_usage
from tollkeeper.model import Call, Usage
from tollkeeper.model.usage import NOTHING

INPUT = ("input_tokens", "inputTokens", "inputTextTokenCount", "prompt_token_count", "inputTokenCount")
OUTPUT = (
    "output_tokens",
    "outputTokens",
    "totalOutputTextTokenCount",
    "tokenCount",
    "generation_token_count",
    "outputTokenCount",
)
CACHE_READ = ("cache_read_input_tokens", "cacheReadInputTokens", "cacheReadInputTokenCount")
CACHE_WRITE = ("cache_creation_input_tokens", "cacheWriteInputTokens", "cacheWriteInputTokenCount")
AT_TOP = frozenset({"inputTextTokenCount", "totalOutputTextTokenCount", "prompt_token_count", "generation_token_count"})
"""Counts of Titan and Llama: they are in the body itself."""

METRICS = "amazon-bedrock-invocationMetrics"
HEADER = "x-amzn-bedrock-"
HEADERS = {
    HEADER + "input-token-count": "inputTokenCount",
    HEADER + "output-token-count": "outputTokenCount",
    HEADER + "cache-read-input-token-count": "cacheReadInputTokenCount",
    HEADER + "cache-write-input-token-count": "cacheWriteInputTokenCount",
}

WRITTEN = frozenset(
    {"text", "outputText", "generation", "completion", "thinking", "partial_json", "arguments", "content", "input"}
)
"""Under these names, in whatever shape, is what a model has written."""

REASONS = ("stop_reason", "stopReason", "completionReason", "finish_reason")


def read_usage(call: Call, usage: Any) -> None:
    if count(usage, "prompt_tokens") is not None:
        openai_usage.read_usage(call, usage)
    elif (read := usage_of(usage)) != NOTHING:
        call.usage = read
        call.usage_source = "provider"
    call.service_tier = text(usage, "service_tier") or call.service_tier


def usage_of(usage: Any) -> Usage:
    read, written = _first(usage, CACHE_READ), _first(usage, CACHE_WRITE)
    uncached = _first(usage, INPUT)
    return Usage(
        input_tokens=None if uncached is None and not (read or written) else total(uncached, read, written),
        output_tokens=_first(usage, OUTPUT),
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=_written_for_an_hour(usage),
        reasoning_tokens=count(field(usage, "output_tokens_details"), "thinking_tokens"),
        web_searches=count(field(usage, "server_tool_use"), "web_search_requests"),
    )


def _first(usage: Any, names: Iterable[str]) -> int | None:
    for name in names:
        value = count(usage, name)
        if value is not None:
            return value
    return None


def _written_for_an_hour(usage: Any) -> int | None:
    """Anthropic's shape, or Converse's: `cacheDetails: [{"ttl": "1h", "inputTokens": 297}]`."""
    hour = count(field(usage, "cache_creation"), "ephemeral_1h_input_tokens")
    details = field(usage, "cacheDetails")
    if hour is None and isinstance(details, list):
        hour = total(*(count(row, "inputTokens") for row in details if text(row, "ttl") == "1h"))
    return hour


def from_headers(headers: Any) -> dict[str, int]:
    """What the response headers count. They are there before the body is, and have no parts of the cache writes."""
    if not isinstance(headers, Mapping):
        return {}
    found = {}
    for header, name in HEADERS.items():
        value = headers.get(header)
        if isinstance(value, str) and value.isascii() and value.isdigit():
            found[name] = int(value)
    return found


class Reading:
    """What an InvokeModel answer says, taken from its body, or from the pieces of a streamed one: the later win."""

    def __init__(self) -> None:
        self.usage: dict[str, Any] = {}
        self.metrics: Any = None
        self.model: str | None = None
        self.id: str | None = None
        self.reasons: list[str] = []
        self.images = 0

    def add(self, piece: Any) -> None:
        """Read one piece: each maker puts its parts in places of its own, and none of them collide."""
        if not isinstance(piece, dict):
            return
        self.metrics = piece.get(METRICS) or self.metrics
        self._add_counts({name: piece[name] for name in AT_TOP & piece.keys()})
        for part in self._parts(piece):
            self.model = text(part, "model") or self.model
            self.id = self.id or text(part, "id")
            usage = part.get("usage")
            if isinstance(usage, dict):
                self._add_counts(usage)
            reasons = (reason for name in REASONS if (reason := text(part, name)))
            self.reasons += [reason for reason in reasons if reason not in self.reasons]
        images = piece.get("images") or piece.get("artifacts")
        self.images = len(images) if isinstance(images, list) else self.images

    def _parts(self, piece: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield piece
        for name in ("message", "delta", "metadata", "messageStop", "response"):
            if isinstance(part := piece.get(name), dict):
                yield part
        for name in ("results", "outputs", "choices"):
            for part in piece[name] if isinstance(piece.get(name), list) else ():
                if isinstance(part, dict):
                    self._add_counts({"tokenCount": part.get("tokenCount")})
                    yield part

    def _add_counts(self, counts: Mapping[str, Any]) -> None:
        self.usage.update({name: value for name, value in counts.items() if value is not None})

    def write(self, call: Call, headers: Mapping[str, int]) -> None:
        """What the body says comes first. What it leaves out, the metrics and the headers know."""
        call.response_model = self.model or call.response_model
        call.response_id = self.id or call.response_id
        call.finish_reasons = tuple(self.reasons)
        self._complete(call, self.metrics or headers)
        read_usage(call, self.usage)
        if self.images and call.operation == "image_generation":
            call.usage, call.usage_source = Usage(output_images=self.images), "provider"

    def _complete(self, call: Call, counted: Any) -> None:
        own = usage_of(self.usage)
        if "prompt_tokens" in self.usage or not isinstance(counted, Mapping):
            return
        if own.input_tokens is None:
            self._add_counts({name: counted.get(name) for name in (INPUT[-1], CACHE_READ[-1], CACHE_WRITE[-1])})
        if own.output_tokens is None and call.operation != "embeddings":
            self._add_counts({OUTPUT[-1]: counted.get(OUTPUT[-1])})


def texts_written(value: Any, name: str = "", depth: int = 0) -> Iterator[str]:
    """The texts that a model has written, in an answer of whatever shape."""
    if isinstance(value, str):
        if name in WRITTEN:
            yield value
    elif depth < 12:
        if isinstance(value, dict):
            for key, item in value.items():
                yield from texts_written(item, key, depth + 1)
        elif isinstance(value, list):
            for item in value:
                yield from texts_written(item, name, depth + 1)
