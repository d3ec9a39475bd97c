"""The most that a request can take in and give out, read from its body.

Tokens come from bytes: a token of a byte-level tokenizer, and of one that falls back to bytes, is at least one byte of
UTF-8. What a provider writes around the parts of a request (roles, separators) is shorter than `AROUND` for each. What
it adds on its own, unasked, is documented nowhere: `HIDDEN` is more than what its own counts have ever shown.

A bound is never too low. What nobody can tell the size of (files, what a provider has stored, the results of tools that
it runs) has none, and says why.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from tollkeeper.capture import faults
from tollkeeper.capture.body import LEFT_OUT, UNTOLD_SOUND, Reading, fields
from tollkeeper.capture.payload import parse_json
from tollkeeper.model import Call
from tollkeeper.pricing.bound import Demand

TOOLS = 3_072
"""What a provider adds to a request with tools, or with a form for its answer. Anthropic documents up to 804 tokens
around them, and 735 for its largest own tool:
https://docs.claude.com/en/docs/agents-and-tools/tool-use/overview#pricing"""

HIDDEN: tuple[tuple[str, int], ...] = (("cohere/*", 3_072), ("openrouter/*", 2_048), ("*grok*", 2_048), ("*", 512))
"""Tokens that are in a provider's count and in nothing that was sent, by provider and model: preambles of its own."""

IMAGES: tuple[tuple[str, int | None], ...] = (
    # (width x height) / 750 of at most 2576 pixels a side: https://docs.claude.com/en/docs/build-with-claude/vision
    ("*claude*", 8_900),
    # gpt-4o-mini: 2833 + 5667 for each of eight tiles; the newest: 1.2 for each patch of 32 pixels, 6000 pixels a side.
    # https://platform.openai.com/docs/guides/images-vision#calculating-costs
    *((glob, 50_000) for glob in ("*gpt-*", "o[134]*", "*/o[134]*", "*computer-use*", "*chatgpt*")),
    # 258 for each tile of 768 pixels: https://ai.google.dev/gemini-api/docs/tokens
    ("*gemini*", 50_000),
    ("*", None),
)
"""The most tokens of one image, by model; `None` where nobody says."""

STORED = frozenset((
    "previous_response_id", "conversation", "conversation_id", "previous_interaction_id", "cached_content",
    "cachedContent", "promptVariables", "prompt_template", "thread",
))  # fmt: skip
"""What makes a request go on from something that is not in it."""

RUNNING = frozenset((
    "mcp_servers", "container", "context_management", "web_search_options", "search_parameters", "plugins", "models",
    "connectors", "agent", "agent_id", "data_sources", "extra_body", "multi_agent", "fallbacks", "compaction",
))  # fmt: skip
"""What makes the provider do more than answer once: it searches, runs tools, or tries other models. Neither what it
reads then nor what it writes is bound by the request; with such tools, Anthropic writes more than `max_tokens`."""

RUNNING_MODELS = ("compound", "deep-research", "search-preview", "search-api", ":online")
OWN_TOOLS = frozenset(("function", "custom"))
OWN_TOOL_KINDS = ("bash_", "text_editor_", "computer_2", "memory_")
"""Tools of Anthropic's that the app runs, as their types begin."""
OWN_TOOL_KEYS = frozenset(("function_declarations", "functionDeclarations", "toolSpec", "cachePoint", "cache_control"))

FORMS = frozenset(("output_format", "output_config", "response_format", "format", "text"))
SPECIAL = STORED | RUNNING | FORMS | {"tools", "toolConfig", "config", "prompt", "reasoning", "modalities", "audio"}
"""A request with none of these is text, and is answered once."""

TEXTUAL = frozenset(("chat", "generate_content", "embeddings", "rerank", "moderation"))

PICTURES = "it makes pictures, and nobody can tell how many tokens those are"
STORED_PROMPT = "its prompt is stored at the provider, and nobody can tell the size of that"
UNCOUNTED = "the number of answers that it asks for is no whole number"
UNKNOWN_IMAGE = "it holds an image, and nobody says how many tokens that is for its model"

NO_OUTPUT = frozenset(("embeddings", "moderation", "rerank"))
WHOLE = (int, type(None))
ASKED = ("n", "best_of")
COUNTS = ("n", "best_of", "num_generations", "candidate_count", "number_of_images")
MOST_NAMES = ("max_tokens", "max_completion_tokens")
NO_SAY = 16
"""What OpenAI's oldest API writes at the most if it is not told: https://platform.openai.com/docs/api-reference/completions"""


def demand_of(call: Call, body: Mapping[str, Any]) -> Demand:
    """What a request asks for, as far as its body says. What we fail to read has no bound."""
    try:
        return _read(call, body)
    except Exception as fault:  # noqa: BLE001  the boundary to foreign objects
        faults.report("read the size of a request", fault)
        return Demand(None, None, why="its size cannot be told: its body is of a form that nobody expects")


def _read(call: Call, body: Mapping[str, Any]) -> Demand:
    reading, model = Reading(), call.request_model or ""
    body = {name: value for name, value in body.items() if type(value).__name__ not in LEFT_OUT}
    if "modelId" in body and "body" in body:
        body = _invoked(body, reading)
    reading.read(body)
    taken = reading.size + _hidden(call.provider, model)
    running, is_special = _runs_by_itself(model), not SPECIAL.isdisjoint(body)
    if is_special:
        running = _running(body) or running
        taken += TOOLS
    choices = _choices(call, body)
    if choices is None:
        running = running or UNCOUNTED
    why = reading.why or running or (_unseen(call, body) if is_special or call.operation not in TEXTUAL else None)
    if reading.images:
        each = _image(model)
        taken += reading.images * (each or 0)
        if each is None:
            why = why or UNKNOWN_IMAGE
    made = None if running is not None or choices is None else _most_output(call, body)
    return Demand(
        None if why is not None else taken,
        made,
        choices or 1,
        reading.has_audio or (is_special and _asks_for_sound(body)),
        # Claude writes to a cache where it is told to, and not otherwise.
        reading.writes_cache or "claude" not in model,
        why,
    )


def is_open_ended(body: Mapping[str, Any]) -> bool:
    """Whether the provider may do more than answer once, so that no parameter bounds what it writes."""
    return _running(body) is not None


def _running(body: Mapping[str, Any]) -> str | None:
    if not RUNNING.isdisjoint(body):
        for name in body:
            if name in RUNNING and body[name] and not (name == "context_management" and _only_clears(body[name])):
                return f"it has {name}: the provider does more than answer once, and nobody can tell how much"
    if any(type(body.get(name)) not in WHOLE for name in ASKED):
        return UNCOUNTED
    config = body.get("config")
    for source in (body, *((fields(config),) if config is not None else ())):
        tools = source.get("tools")
        if tools is None and (configured := source.get("toolConfig")) is not None:
            tools = fields(configured).get("tools")
        if tools and not all(_is_own(tool) for tool in _each(tools)):
            return "it has a tool that the provider runs, whose results nobody can tell the size of"
    if isinstance(body.get("prompt"), Mapping):
        return STORED_PROMPT
    if config is not None and _makes_pictures(fields(config)):
        return PICTURES
    mode = fields(body.get("reasoning")).get("mode")
    return (
        None if mode in (None, "standard") else f"its reasoning is of mode {mode!r}: nobody can tell how much that is"
    )


def _each(value: Any) -> Iterable[Any]:
    """The items of a list; what is no list is an item by itself."""
    if isinstance(value, list | tuple):
        return value
    return () if value is None or type(value).__name__ in LEFT_OUT else (value,)


def _only_clears(management: Any) -> bool:
    """Clearing makes a request smaller; compacting is one more run of the model."""
    edits = fields(management).get("edits")
    return isinstance(edits, list | tuple) and all(str(fields(edit).get("type")).startswith("clear_") for edit in edits)


def _is_own(tool: Any) -> bool:
    """Whether the app runs it: a function, however it is written."""
    if callable(tool):
        return True
    given = fields(tool)
    kind = given.get("type")
    if kind is not None:
        return isinstance(kind, str) and (kind in OWN_TOOLS or kind.startswith(OWN_TOOL_KINDS))
    if "name" in given or "function" in given:
        return True
    return bool(given) and all(item is None or name in OWN_TOOL_KEYS for name, item in given.items())


def _makes_pictures(config: Mapping[str, Any]) -> bool:
    modalities = config.get("response_modalities") or config.get("responseModalities")
    return any(getattr(each, "value", each) not in ("TEXT", "AUDIO") for each in _each(modalities))


@lru_cache(maxsize=1024)
def _runs_by_itself(model: str) -> str | None:
    if any(name in model for name in RUNNING_MODELS):
        return "its model searches by itself, and nobody can tell how much it reads"
    if ":prompt/" in model:
        return STORED_PROMPT
    return PICTURES if fnmatchcase(model, "*gemini*image*") else None


def _unseen(call: Call, body: Mapping[str, Any]) -> str | None:
    """What a request brings that is not in its body."""
    sources = (body, fields(body["config"])) if "config" in body else (body,)
    for source in sources:
        if not STORED.isdisjoint(source):
            for name in source:
                if name in STORED and source[name]:
                    return f"it goes on from something stored ({name}), of which nobody can tell the size"
    if call.operation == "transcription":
        return UNTOLD_SOUND
    if call.endpoint is not None and call.endpoint.endswith(("/images/edits", "/images/variations")):
        return UNKNOWN_IMAGE
    return None


def _invoked(params: Mapping[str, Any], reading: Reading) -> Mapping[str, Any]:
    """The JSON inside an InvokeModel request. A file is the caller's to read."""
    body = params["body"]
    parsed = (
        parse_json(body if isinstance(body, str) else bytes(body))
        if isinstance(body, str | bytes | bytearray)
        else None
    )
    if isinstance(parsed, dict):
        return parsed
    reading.why = "its body is not JSON that can be read beforehand"
    return {}


@lru_cache(maxsize=1024)
def _hidden(provider: str, model: str) -> int:
    return next(most for glob, most in HIDDEN if fnmatchcase(f"{provider}/{model}", glob))


@lru_cache(maxsize=1024)
def _image(model: str) -> int | None:
    return next(most for glob, most in IMAGES if fnmatchcase(model.lower(), glob))


def _asks_for_sound(body: Mapping[str, Any]) -> bool:
    if body.get("modalities") or body.get("audio"):
        return True
    config = fields(body.get("config"))
    return any("AUDIO" in str(each).upper() for each in _each(config.get("response_modalities")))


def _choices(call: Call, body: Mapping[str, Any]) -> int | None:
    """How many answers are made: asked for, or tried. `None` where that is no number."""
    most: int = call.parameters.get("gen_ai.request.choice.count", 1)
    if any(type(body.get(name)) not in WHOLE for name in ASKED):
        return None
    if call.operation == "image_generation":
        counts = [fields(body.get("config")).get(name) or body.get(name) for name in COUNTS]
        asked = [count for count in counts if count is not None]
        # Google makes four pictures if it is not told.
        return max((most, *asked)) if asked and all(type(count) is int for count in asked) else max(most, 4)
    if call.operation == "text_completion":
        tried = [count for name in COUNTS if type(count := body.get(name)) is int]
        most = max((most, *tried))
        prompt = body.get("prompt")
        if isinstance(prompt, list | tuple) and prompt and type(prompt[0]) is not int:
            most *= len(prompt)
    return most


def _most_output(call: Call, body: Mapping[str, Any]) -> int | None:
    """The most of one answer. Embeddings and the like give out no tokens; others what the request says they may."""
    if call.operation in NO_OUTPUT:
        return 0
    most: int | None = call.parameters.get("gen_ai.request.max_tokens")
    if most is None and call.operation == "text_completion" and call.provider in ("openai", "azure.ai.openai"):
        return NO_SAY
    if most is None or most < 0:
        return None
    for name in MOST_NAMES:  # where both are given, services differ in which of them counts
        other = body.get(name)
        if isinstance(other, int | float) and other > most:
            most = math.ceil(other)
    if body.get("prediction") is not None:  # what was predicted wrongly is billed as if it were written
        predicted = Reading()
        predicted.read(body["prediction"])
        most += predicted.size
    return _with_thoughts(call, body, most) if call.provider == "cohere" else most


def _with_thoughts(call: Call, body: Mapping[str, Any], most: int) -> int | None:
    """Cohere's reasoning models think beside what they may write, within a budget of its own.

    https://docs.cohere.com/docs/reasoning
    """
    thinking = fields(body.get("thinking"))
    budget = thinking.get("token_budget")
    if type(budget) is int:
        return most + budget
    if "reasoning" in (call.request_model or "") and thinking.get("type") != "disabled":
        return None
    return most
