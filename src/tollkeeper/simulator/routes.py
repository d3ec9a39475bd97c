"""What a simulated provider can answer by itself, and where: one row for each surface."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

from tollkeeper.simulator import (
    anthropic,
    anthropic_admin,
    gemini,
    ollama,
    openai_admin,
    openai_chat,
    openai_responses,
    openai_vectors,
    openrouter_admin,
)
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

GOOGLE = r"/v1[a-z0-9]*(?:/projects/[^/]+/locations/[^/]+)?(?:/publishers/google)?/(?:models|tunedModels)"
GOOGLE_MODEL = GOOGLE + "/(?P<model>[^/:]+)"
VERTEX_CLAUDE = r"/v1[a-z0-9]*/projects/[^/]+/locations/[^/]+/publishers/anthropic/models/(?P<model>[^/:]+)"

ROUTES = (
    Route("POST", COPIES + "/chat/completions", "openai", openai_chat.chat),
    Route("POST", COPIES + "/completions", "openai", openai_chat.completions),
    Route("POST", COPIES + "/responses", "openai", openai_responses.create),
    Route("POST", COPIES + "/responses/input_tokens", "openai", openai_responses.count),
    Route("GET", COPIES + "/responses/(?P<id>[^/]+)", "openai", openai_responses.retrieve),
    Route("DELETE", COPIES + "/responses/(?P<id>[^/]+)", "openai", openai_responses.delete),
    Route("POST", COPIES + "/responses/(?P<id>[^/]+)/cancel", "openai", openai_responses.cancel),
    Route("POST", "/api/embeddings", "ollama", ollama.embed_one),
    Route("POST", COPIES + "/embeddings", "openai", openai_vectors.embeddings),
    Route("POST", COPIES + "/moderations", "openai", openai_vectors.moderations),
    Route("POST", "/v1/messages", "anthropic", anthropic.messages),
    Route("POST", "/v1/messages/count_tokens", "anthropic", anthropic.count),
    Route("POST", VERTEX_CLAUDE + ":(?:rawPredict|streamRawPredict)", "anthropic", anthropic.messages),
    Route("POST", GOOGLE_MODEL + ":generateContent", "gemini", gemini.generate),
    Route("POST", GOOGLE_MODEL + ":streamGenerateContent", "gemini", gemini.stream),
    Route("POST", GOOGLE_MODEL + ":countTokens", "gemini", gemini.count),
    Route("POST", GOOGLE_MODEL + ":embedContent", "gemini", gemini.embed),
    Route("POST", GOOGLE_MODEL + ":batchEmbedContents", "gemini", gemini.embed_batch),
    Route("POST", GOOGLE_MODEL + ":predict", "gemini", gemini.predict),
    Route("POST", "/api/chat", "ollama", ollama.chat),
    Route("POST", "/api/generate", "ollama", ollama.generate),
    Route("POST", "/api/embed", "ollama", ollama.embed),
    Route("GET", "/api/tags", "ollama", ollama.list_models),
    Route("GET", "/v1/models", "anthropic", anthropic.list_models, header="anthropic-version"),
    Route("GET", GOOGLE, "gemini", gemini.list_models, header="x-goog-api-client"),
    Route("GET", COPIES + "/models", "openai", openai_vectors.list_models),
    Route("GET", "/v1/organization/usage/(?P<kind>[a-z_]+)", "openai", openai_admin.usage),
    Route("GET", "/v1/organization/costs", "openai", openai_admin.costs),
    Route("GET", "/v1/organizations/usage_report/messages", "anthropic", anthropic_admin.usage_report),
    Route("GET", "/v1/organizations/cost_report", "anthropic", anthropic_admin.cost_report),
    Route("GET", "/api/v1/activity", "openrouter", openrouter_admin.activity),
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
