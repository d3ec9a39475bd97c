"""How a call was processed, as far as it changes the price: service tier, batch, speed, place.

genai-prices has rows for some of these, most of them only from October 2026 on. `RULES` states what the providers
document as a flat factor, for models and dates without a row. A context that neither knows leaves the call unpriced.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase

from tollkeeper.model.usage import TOKEN_METERS, Meter
from tollkeeper.pricing.rates import Price, Prices

Context = tuple[tuple[str, str], ...]
"""What differs from the standard: sorted pairs such as `("service_tier", "flex")`."""

STANDARD_VALUES: Mapping[str, frozenset[str]] = {
    "service_tier": frozenset({"", "auto", "default", "standard", "standard_only", "on_demand", "unspecified"}),
    "processing": frozenset({"", "online", "realtime", "standard"}),
    "speed": frozenset({"", "standard"}),
    "inference_geo": frozenset({"", "global", "not_available"}),
    "search_type": frozenset({"", "web"}),
}

SPELLINGS = {
    ("service_tier", "batch"): ("processing", "batch"),  # Anthropic names its batches so
    ("service_tier", "on_demand_flex"): ("service_tier", "flex"),  # Vertex AI's trafficType
    ("service_tier", "on_demand_priority"): ("service_tier", "priority"),
}

SAID_IN_ANSWER = "service_tier"
"""The answer's tier wins over the asked-for one: a priority request may be served, and billed, as a standard one."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A flat factor on standard prices that a provider documents at `source`."""

    price_list: str
    model: str
    context: tuple[str, str]
    factor: Decimal
    meters: frozenset[Meter]
    source: str


_ALL: frozenset[Meter] = frozenset((*TOKEN_METERS, "input_audio_seconds"))
_NOT_CACHED = _ALL - {"cache_read", "cache_read_audio", "cache_read_image"}
_BATCH = ("processing", "batch")
_FLEX = ("service_tier", "flex")
_HALF = Decimal("0.5")

RULES = (
    # Inputs and outputs are halved; cached tokens keep their price, as in the catalogue's rows for GPT-4.1.
    Rule("openai", "*", _BATCH, _HALF, _NOT_CACHED, "https://platform.openai.com/docs/guides/batch"),
    Rule("openai", "*", _FLEX, _HALF, _ALL, "https://platform.openai.com/docs/guides/flex-processing"),
    Rule(
        "azure", "gpt-*", _BATCH, _HALF, _NOT_CACHED, "https://learn.microsoft.com/azure/ai-foundry/openai/how-to/batch"
    ),
    Rule(
        "azure",
        "o[1-9]*",
        _BATCH,
        _HALF,
        _NOT_CACHED,
        "https://learn.microsoft.com/azure/ai-foundry/openai/how-to/batch",
    ),
    # The multipliers stack: cache reads and writes are halved too.
    Rule(
        "anthropic",
        "*",
        _BATCH,
        _HALF,
        _ALL,
        "https://docs.claude.com/en/docs/build-with-claude/batch-processing#pricing",
    ),
    Rule("google", "gemini-*", _BATCH, _HALF, _NOT_CACHED, "https://ai.google.dev/gemini-api/docs/batch-api"),
    Rule(
        "google",
        "gemini-*",
        _FLEX,
        _HALF,
        _NOT_CACHED,
        "https://blog.google/innovation-and-ai/technology/developers-tools/introducing-flex-and-priority-inference",
    ),
    Rule("mistral", "*", _BATCH, _HALF, _ALL, "https://docs.mistral.ai/capabilities/batch"),
    # The discount does not stack with that of cached tokens.
    Rule("groq", "*", _BATCH, _HALF, _NOT_CACHED, "https://console.groq.com/docs/batch"),
    Rule("groq", "*", _FLEX, Decimal(1), _ALL, "https://console.groq.com/docs/flex-processing"),
    # Only models that have the option answer "us", so the rule needs no list of them.
    Rule(
        "anthropic",
        "*",
        ("inference_geo", "us"),
        Decimal("1.1"),
        _ALL,
        "https://docs.claude.com/en/docs/about-claude/pricing#data-residency-pricing",
    ),
    Rule(
        "anthropic",
        "claude-opus-4-6*",
        ("speed", "fast"),
        Decimal(6),
        _ALL,
        "https://docs.claude.com/en/docs/about-claude/pricing#fast-mode-pricing",
    ),
)


def context_of(asked: Mapping[str, str], service_tier: str | None) -> Context:
    """What the call's price depends on, besides provider, model and date; `()` for a standard call."""
    said = {key: str(value).lower() for key, value in asked.items()}
    if service_tier is not None:
        said[SAID_IN_ANSWER] = service_tier.lower()
    pairs = (SPELLINGS.get(pair, pair) for pair in said.items())
    return tuple(
        sorted({(key, value) for key, value in pairs if value not in STANDARD_VALUES.get(key, frozenset({""}))})
    )


def apply_rule(prices: Prices, price_list: str, model: str, pair: tuple[str, str]) -> Prices | None:
    """The prices in a context that the catalogue has no row for, or `None` if no provider documents them."""
    for rule in RULES:
        if rule.price_list == price_list and rule.context == pair and fnmatchcase(model.lower(), rule.model):
            return {meter: _scaled(meter, price, rule) for meter, price in prices.items()}
    return None


def _scaled(meter: Meter, price: Price, rule: Rule) -> Price:
    return price.times(rule.factor) if meter in rule.meters else price
