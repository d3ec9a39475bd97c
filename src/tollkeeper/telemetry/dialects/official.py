"""OpenTelemetry's own instrumentations, old and new, the Anthropic SDK's spans, and whoever follows the conventions."""

from __future__ import annotations

from tollkeeper.telemetry.dialects.accounting import Convention
from tollkeeper.telemetry.dialects.reading import Dialect
from tollkeeper.telemetry.dialects.said import Said

SCOPES = (
    "opentelemetry.instrumentation.genai", "opentelemetry.util.genai", "opentelemetry.instrumentation.openai_v2",
    "opentelemetry.instrumentation.google_genai", "com.anthropic.sdk",
)  # fmt: skip
BOTOCORE = "opentelemetry.instrumentation.botocore"


def _speaks(said: Said) -> bool:
    return any(name in said for name in ("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.system"))


def _input_has_caches(said: Said, provider: str) -> Convention:
    scope = said.emission.scope
    if scope.startswith(BOTOCORE):
        return "exclusive" if provider == "aws.bedrock" else "inclusive"
    return "inclusive" if scope.startswith(SCOPES) else None


DIALECT = Dialect("opentelemetry", _speaks, input_has_caches=_input_has_caches)
