"""What a simulated provider can answer by itself, and where: one row for each surface."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

from tollkeeper.simulator import anthropic, openai_chat
from tollkeeper.simulator.exchange import Answer, Request
from tollkeeper.simulator.world import World


@dataclass(frozen=True, slots=True)
class Route:
    """`provider` words the errors. A row with a `header` is for requests that carry it."""

    method: str
    pattern: str
    provider: str
    answer: Callable[[Request, World], Answer]
    header: str | None = None


COPIES = r"(?:/.+)?"
"""Everybody has OpenAI's surfaces behind a prefix of their own: /v1, /openai/v1, /api/v1, /openai/deployments/…"""

ROUTES = (
    Route("POST", COPIES + "/chat/completions", "openai", openai_chat.chat),
    Route("POST", COPIES + "/completions", "openai", openai_chat.completions),
    Route("POST", "/v1/messages", "anthropic", anthropic.messages),
    Route("POST", "/v1/messages/count_tokens", "anthropic", anthropic.count),
    Route("GET", "/v1/models", "anthropic", anthropic.list_models, header="anthropic-version"),
)

BASES = {
    "openai": "/v1",
    "openrouter": "/api/v1",
    "xai": "/@xai/v1",
    "deepseek": "/@deepseek",
    "mistral": "/@mistral",
    "perplexity": "/@perplexity",
    "anthropic": "",
    "azure": "",
    "bedrock": "",
    "cohere": "",
    "gemini": "",
    "groq": "",
    "ollama": "",
    "vertex": "",
}
"""What the SDK of each service takes as its base URL, after the simulator's own."""

PATTERNS = tuple((route, re.compile(route.pattern)) for route in ROUTES)


@lru_cache(maxsize=1024)
def _at(method: str, path: str) -> tuple[tuple[Route, dict[str, str]], ...]:
    found = ((route, pattern.fullmatch(path)) for route, pattern in PATTERNS if route.method == method)
    return tuple((route, match.groupdict()) for route, match in found if match)


def route(request: Request) -> tuple[Route, Request] | None:
    """The row that answers, and the request with what the row found in the path."""
    for row, place in _at(request.method, request.path):
        if row.header is None or row.header in request.headers:
            return row, replace(request, place=place) if place else request
    return None
