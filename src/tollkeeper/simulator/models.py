"""The models that a simulated provider knows by name. Others are served too, as they are named."""

from __future__ import annotations

from dataclasses import dataclass

MISSING = "no-such"
"""A model whose name begins so does not exist: the way to a provider's own 404."""


@dataclass(frozen=True, slots=True)
class Model:
    """`snapshot` is what an answer calls the model; `reasons`: it thinks without being asked."""

    name: str
    provider: str
    snapshot: str
    reasons: bool = False
    dimensions: int | None = None


MODELS = (
    Model("gpt-4o", "openai", "gpt-4o-2024-08-06"),
    Model("gpt-4o-mini", "openai", "gpt-4o-mini-2024-07-18"),
    Model("gpt-4.1", "openai", "gpt-4.1-2025-04-14"),
    Model("gpt-4.1-mini", "openai", "gpt-4.1-mini-2025-04-14"),
    Model("gpt-4.1-nano", "openai", "gpt-4.1-nano-2025-04-14"),
    Model("gpt-5", "openai", "gpt-5-2025-08-07", reasons=True),
    Model("gpt-5-mini", "openai", "gpt-5-mini-2025-08-07", reasons=True),
    Model("gpt-5-nano", "openai", "gpt-5-nano-2025-08-07", reasons=True),
    Model("o3", "openai", "o3-2025-04-16", reasons=True),
    Model("o3-mini", "openai", "o3-mini-2025-01-31", reasons=True),
    Model("o4-mini", "openai", "o4-mini-2025-04-16", reasons=True),
    Model("gpt-3.5-turbo-instruct", "openai", "gpt-3.5-turbo-instruct:20230824-v2"),
    Model("text-embedding-3-small", "openai", "text-embedding-3-small", dimensions=1536),
    Model("text-embedding-3-large", "openai", "text-embedding-3-large", dimensions=3072),
    Model("omni-moderation-latest", "openai", "omni-moderation-latest"),
    Model("claude-opus-4-1", "anthropic", "claude-opus-4-1-20250805"),
    Model("claude-sonnet-4-0", "anthropic", "claude-sonnet-4-20250514"),
    Model("claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5-20250929"),
    Model("claude-haiku-4-5", "anthropic", "claude-haiku-4-5-20251001"),
    Model("claude-3-5-haiku-latest", "anthropic", "claude-3-5-haiku-20241022"),
    Model("gemini-2.0-flash", "gemini", "gemini-2.0-flash"),
    Model("gemini-2.5-flash", "gemini", "gemini-2.5-flash", reasons=True),
    Model("gemini-2.5-flash-lite", "gemini", "gemini-2.5-flash-lite"),
    Model("gemini-2.5-pro", "gemini", "gemini-2.5-pro", reasons=True),
    Model("gemini-embedding-001", "gemini", "gemini-embedding-001", dimensions=3072),
    Model("llama3.2", "ollama", "llama3.2"),
    Model("qwen3:4b", "ollama", "qwen3:4b", reasons=True),
    Model("nomic-embed-text", "ollama", "nomic-embed-text", dimensions=768),
)
BY_NAME = {model.name: model for model in MODELS}
BY_NAME |= {model.snapshot: model for model in MODELS}


def find(name: str) -> Model:
    """The model of this name; one that is not in the table answers under the name it was asked by."""
    return BY_NAME.get(name) or Model(name, "", name)
