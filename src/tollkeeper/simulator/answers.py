"""What a simulated model says, and what it counts.

One rule counts every token: four characters are one token, rounded up. A prompt's characters are all the strings in
the parts of the request that the model reads (messages, system, tools, schema), one after the other; each integer of a
list of token ids is one token; data (`data:` URLs, long base64) is 256 tokens, whatever its size. The answer depends on
nothing but the seed, the model and the prompt.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from tollkeeper.simulator import models, schema
from tollkeeper.simulator.exchange import Refused
from tollkeeper.simulator.knobs import Knobs
from tollkeeper.simulator.world import World

CHARACTERS_PER_TOKEN = 4
CHARACTERS_PER_CHUNK = 16
DATA = "\0" * (256 * CHARACTERS_PER_TOKEN)
LONG_BASE64 = 4096
VOCABULARY = """
amber anchor basin beacon birch bridge canyon cedar cinder clover cobalt copper coral crater creek crystal delta
drift ember fable fern field forest garden glacier granite grove harbor hazel hollow island ivory jasper juniper
kettle lagoon lantern lattice ledger linen marble meadow mirror mosaic nectar needle oasis orchard paper pebble
pepper pine prairie quarry quartz raven reed ribbon ridge river saddle saffron shadow signal silver slate spruce
stone summit thistle timber torch trail tundra valley velvet violet walnut willow window winter yarrow zephyr
"""
WORDS = tuple(VOCABULARY.split())

Finish = Literal["stop", "length", "tool"]


class Tool(NamedTuple):
    """A function that the model may call."""

    name: str
    parameters: Mapping[str, Any]


class ToolCall(NamedTuple):
    id: str
    name: str
    arguments: dict[str, Any]

    @property
    def text(self) -> str:
        return json.dumps(self.arguments, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Counts:
    """Tokens: `input` includes `cached` and `written`, `output` includes `reasoning`."""

    input: int
    output: int
    cached: int = 0
    written: int = 0
    reasoning: int = 0

    @property
    def total(self) -> int:
        return self.input + self.output


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a protocol read out of its request, in terms that all of them share."""

    model: str
    text: str
    cap: int | None = None
    tools: tuple[Tool, ...] = ()
    """The tools to choose a call from; empty: answer in words."""
    schema: Mapping[str, Any] | None = None
    """What the answer's JSON has to look like."""
    reasons: bool = False
    caches: bool = True
    writes: bool = False
    """What is put into the cache is counted."""
    earlier_tokens: int = 0
    """Read as well, though the request does not repeat them: a stored conversation."""


@dataclass(frozen=True, slots=True)
class Reply:
    text: str
    call: ToolCall | None
    thoughts: str
    finish: Finish
    counts: Counts


def count_tokens(text: str) -> int:
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def words_of(value: object) -> str:
    """Every string inside a JSON value, joined."""
    return "".join(_strings(value))


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        is_data = value.startswith("data:") or (len(value) > LONG_BASE64 and " " not in value)
        yield DATA if is_data else value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            if type(inner) is int:
                yield f"{inner:>4}"[-CHARACTERS_PER_TOKEN:]
            else:
                yield from _strings(inner)


def existing(name: object, provider: str) -> models.Model:
    """The model that the request names; `Refused` as by the provider when it names none, or one that does not exist."""
    if not isinstance(name, str) or not name:
        raise Refused(400, "you must provide a model parameter", param="model")
    if name.rpartition("/")[2].startswith(models.MISSING):
        message = {"anthropic": f"model: {name}", "ollama": f"model '{name}' not found"}.get(
            provider, f"The model `{name}` does not exist or you do not have access to it."
        )
        raise Refused(404, message, code="model_not_found")
    return models.find(name)


def chance_of(seed: int, *parts: str) -> random.Random:
    """Randomness that these parts alone decide."""
    digest = hashlib.blake2b(str(seed).encode(), digest_size=8)
    for part in parts:
        digest.update(b"\0" + part.encode("utf-8", "surrogatepass"))
    return random.Random(int.from_bytes(digest.digest(), "big"))


def prose(chance: random.Random, tokens: int) -> str:
    """Sentences of exactly this many tokens."""
    if tokens <= 0:
        return ""
    words = chance.choices(WORDS, k=tokens + 2)
    sentences = (" ".join(words[start : start + 9]).capitalize() for start in range(0, len(words), 9))
    return ". ".join(sentences)[: tokens * CHARACTERS_PER_TOKEN - 1] + "."


def cut(text: str, chunks: int | None) -> list[str]:
    """The text in the pieces that a stream sends."""
    if not text:
        return []
    count = min(len(text), chunks or -(-len(text) // CHARACTERS_PER_CHUNK))
    edges = [len(text) * number // count for number in range(count + 1)]
    return [text[start:end] for start, end in zip(edges, edges[1:], strict=False)]


def compose(prompt: Prompt, knobs: Knobs, world: World, choice: int = 0) -> Reply:
    """The model's answer. Output, reasoning included, never exceeds the prompt's cap, nor cached the input."""
    chance = chance_of(world.seed, prompt.model, str(choice), prompt.text)
    room = prompt.cap if prompt.cap is not None and prompt.cap >= 0 else 1 << 30
    thoughts = prose(chance, min(_reasoning(prompt, knobs, chance), room))
    reasoning = count_tokens(thoughts)
    text, call, finish = _say(prompt, knobs, chance, room - reasoning, reasoning)
    if call is not None:
        call = call._replace(id=world.new_id("call_"))
    output = reasoning + count_tokens(text if call is None else call.name + call.text)
    if knobs.output_tokens is not None:
        output = max(reasoning, min(knobs.output_tokens, room))
    counts = _counts(prompt, knobs, world, output, reasoning)
    world.meter.count(models.find(prompt.model).snapshot, counts.input, counts.output, counts.cached, counts.written)
    return Reply(text, call, thoughts, finish, counts)


def _reasoning(prompt: Prompt, knobs: Knobs, chance: random.Random) -> int:
    if knobs.reasoning_tokens is not None:
        wanted = knobs.reasoning_tokens
    else:
        wanted = 64 * chance.randint(1, 8) if prompt.reasons else 0
    return wanted if knobs.output_tokens is None else min(wanted, knobs.output_tokens)


def _say(
    prompt: Prompt, knobs: Knobs, chance: random.Random, room: int, reasoning: int
) -> tuple[str, ToolCall | None, Finish]:
    if prompt.tools:
        tool = chance.choice(prompt.tools)
        filled = schema.fill(tool.parameters, chance)
        call = ToolCall("", tool.name, filled if isinstance(filled, dict) else {})
        if count_tokens(call.name + call.text) <= room:
            return "", call, "tool"
    if prompt.schema is not None:
        text = json.dumps(schema.fill(prompt.schema, chance), ensure_ascii=False)
    else:
        wanted = chance.randint(16, 96) if knobs.output_tokens is None else knobs.output_tokens - reasoning
        # One token past the room is enough to know that the answer did not fit.
        text = prose(chance, min(wanted, room + 1))
    if count_tokens(text) <= room:
        return text, None, "stop"
    return text[: room * CHARACTERS_PER_TOKEN], None, "length"


def _counts(prompt: Prompt, knobs: Knobs, world: World, output: int, reasoning: int) -> Counts:
    counted = count_tokens(prompt.text) + prompt.earlier_tokens
    read = counted if knobs.input_tokens is None else knobs.input_tokens
    warm, cold = world.prompt_cache.warm(prompt.model, prompt.text) if prompt.caches else (0, 0)
    cached = min(read, warm if knobs.cached_tokens is None else knobs.cached_tokens)
    written = min(read - cached, cold) if prompt.writes else 0
    return Counts(read, output, cached=cached, written=written, reasoning=reasoning)
