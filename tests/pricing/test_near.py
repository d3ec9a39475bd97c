"""A guess at what an unknown name may stand for."""

from __future__ import annotations

import pytest

from tollkeeper.pricing.near import near_model

LISTED = [
    ("openai", "gpt-4o"), ("azure", "gpt-4o"), ("openai", "gpt-4o-mini"), ("anthropic", "claude-sonnet-4-5"),
    ("groq", "llama-3.3-70b-versatile"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("provider", "model", "near"),
    [
        ("azure", "GPT-4o-eu", ("azure", "gpt-4o")),
        ("openai", "gpt-4o-mini-team", ("openai", "gpt-4o-mini")),
        ("gateway", "anthropic/claude-sonnet-4.5", ("anthropic", "claude-sonnet-4-5")),
        ("vllm", "llama-3.3-70b", ("groq", "llama-3.3-70b-versatile")),
        ("vllm", "house-model-7b", None),
        ("vllm", "", None),
    ],
)
def test_the_name_that_begins_alike(provider: str, model: str, near: tuple[str, str] | None) -> None:
    assert near_model(provider, model, LISTED) == near
