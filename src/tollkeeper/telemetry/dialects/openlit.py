"""OpenLIT. Its cost is a guess, its time to first token begins after the answer has, and its temperature is made up."""

from __future__ import annotations

from dataclasses import replace

from tollkeeper.telemetry.dialects.accounting import Convention
from tollkeeper.telemetry.dialects.names import provider_of
from tollkeeper.telemetry.dialects.reading import Dialect, Fields
from tollkeeper.telemetry.dialects.said import Said

SCOPE = "openlit"
INSTRUMENTATION = "openlit.instrumentation."
RAW_CACHES = frozenset({"anthropic", "aws.bedrock"})
"""Their input leaves out what was cached, and OpenLIT writes it as it is."""

CACHE_READ = "gen_ai.usage.cache_read.input_tokens"
FIELDS = replace(
    Fields(),
    cache_read=(*Fields().cache_read, "gen_ai.usage.prompt_tokens_details.cached_tokens"),
    reasoning=(*Fields().reasoning, "gen_ai.usage.completion_tokens_details.reasoning_tokens"),
    user=("gen_ai.request.user", "user.id", "enduser.id"),
)


def _speaks(said: Said) -> bool:
    emission = said.emission
    return emission.scope.startswith(SCOPE) or said.text("telemetry.sdk.name") == "openlit"


def _provider(said: Said) -> str | None:
    """Its events do not name the provider; its scopes do."""
    scope = said.emission.scope
    return provider_of(scope.removeprefix(INSTRUMENTATION)) if scope.startswith(INSTRUMENTATION) else None


def _input_has_caches(said: Said, provider: str) -> Convention:
    return "exclusive" if provider in RAW_CACHES else "inclusive"


def _output_has_thoughts(said: Said, provider: str) -> bool:
    return not provider.startswith("gcp.")


def _is_guess(said: Said) -> bool:
    """Where an OpenAI stream ends without usage, it writes half the number of characters.

    Its own reading of the usage always comes with the cached tokens, zero or not.
    """
    return (
        said.emission.kind == "span"
        and said.emission.scope == f"{INSTRUMENTATION}openai"
        and said.flag("gen_ai.request.stream")
        and said.text("gen_ai.operation.name") == "chat"
        and CACHE_READ not in said
    )


DIALECT = Dialect(
    "openlit",
    _speaks,
    FIELDS,
    provider=_provider,
    input_has_caches=_input_has_caches,
    output_has_thoughts=_output_has_thoughts,
    is_guess=_is_guess,
    events_may_guess=True,
)
