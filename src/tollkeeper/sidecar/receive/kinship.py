"""Which spans and events have to do with GenAI, whoever emitted them. What to make of them is for the dialects."""

from __future__ import annotations

PREFIXES = (
    "gen_ai.", "llm.", "openinference.", "traceloop.", "litellm.", "logfire.", "operation.cost", "langfuse.", "ai.",
)  # fmt: skip
"""How the names of their attributes begin, and of their events."""

SCOPES = (
    "tollkeeper", "traceloop", "openinference", "openlit", "pydantic-ai", "litellm", "langfuse",
    "opentelemetry.instrumentation.genai", "opentelemetry.util.genai", "opentelemetry.instrumentation.openai",
    "opentelemetry.instrumentation.anthropic", "opentelemetry.instrumentation.google_genai",
)  # fmt: skip
"""How the names of the scopes begin that emit nothing else."""


def is_kin(scope: str, name: str) -> bool:
    """Whether a scope, or a span's or event's name, says that this is of GenAI."""
    return scope.startswith(SCOPES) or name.startswith(PREFIXES)
