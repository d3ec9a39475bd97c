"""OpenLLMetry (Traceloop)."""

from __future__ import annotations

from dataclasses import replace

from tollkeeper.model import Operation
from tollkeeper.telemetry.dialects.accounting import Convention
from tollkeeper.telemetry.dialects.names import provider_of
from tollkeeper.telemetry.dialects.official import BOTOCORE, SCOPES
from tollkeeper.telemetry.dialects.reading import Dialect, Fields, operation_of
from tollkeeper.telemetry.dialects.said import Said

SCOPE = "opentelemetry.instrumentation."
THOUGHTS = "thoughts"
PROPERTIES = "traceloop.association.properties."
MARKS = (
    "gen_ai.is_streaming", "llm.is_streaming", "llm.request.type", "gen_ai.usage.total_tokens",
    "llm.usage.total_tokens", "gen_ai.openai.api_base",
)  # fmt: skip

FIELDS = replace(
    Fields(),
    address=("server.address", "gen_ai.openai.api_base"),
    user=(f"{PROPERTIES}user_id", "gen_ai.user", "llm.user", "user.id", "enduser.id"),
    session=(f"{PROPERTIES}session_id", "gen_ai.conversation.id", "session.id"),
    reasoning=(THOUGHTS, *Fields().reasoning),
    tenant=(f"{PROPERTIES}customer_id", f"{PROPERTIES}tenant", f"{PROPERTIES}tenant_id", "tenant.id", "tenant"),
)
TAKEN = tuple(
    name.removeprefix(PROPERTIES)
    for name in (*FIELDS.user, *FIELDS.session, *FIELDS.tenant)
    if name.startswith(PROPERTIES)
)


def _speaks(said: Said) -> bool:
    scope = said.emission.scope
    if any(isinstance(name, str) and name.startswith("traceloop.") for name in said.emission.attributes):
        return True
    if not scope.startswith(SCOPE) or scope.startswith((*SCOPES, BOTOCORE)):
        return False
    # Its names of spans are those of the libraries: `openai.chat`.
    library = scope.removeprefix(SCOPE).partition(".")[0]
    return said.emission.name.startswith(f"{library}.") or any(name in said for name in MARKS)


def _operation(said: Said, names: Fields) -> Operation | None:
    """A workflow, a task, an agent or a tool only holds calls."""
    return None if "traceloop.span.kind" in said else operation_of(said, names)


def _provider(said: Said) -> str | None:
    scope = said.emission.scope
    return provider_of(scope.removeprefix(SCOPE).partition(".")[0]) if scope.startswith(SCOPE) else None


def _input_has_caches(said: Said, provider: str) -> Convention:
    return "exclusive" if provider == "aws.bedrock" else "inclusive"


def _thoughts_of_google(said: Said) -> dict[str, int]:
    """It leaves Gemini's thoughts out of the output, and has no attribute for them: the total has them more."""
    provider = provider_of(said.text(*FIELDS.provider)) or ""
    counts = [said.count(*names) for names in (FIELDS.total, FIELDS.input, FIELDS.output)]
    if not provider.startswith("gcp.") or None in counts or said.count(*FIELDS.reasoning):
        return {}
    total, input, output = (count or 0 for count in counts)
    return {THOUGHTS: total - input - output} if total > input + output else {}


def _output_has_thoughts(said: Said, provider: str) -> bool:
    return not provider.startswith("gcp.")


def _tags(said: Said) -> dict[str, str]:
    return {name: value for name, value in said.below(PROPERTIES).items() if name not in TAKEN}


DIALECT = Dialect(
    "openllmetry",
    _speaks,
    FIELDS,
    _operation,
    _provider,
    _input_has_caches,
    _output_has_thoughts,
    _thoughts_of_google,
    _tags,
)
