"""What others emit about their calls, read as ours: one file for each emitter's way of saying it."""

from __future__ import annotations

from tollkeeper.telemetry.attributes import CALL_ID
from tollkeeper.telemetry.dialects import langfuse, litellm, logfire, official, openinference, openlit, openllmetry
from tollkeeper.telemetry.dialects.observed import Observed, call_id, digest_of
from tollkeeper.telemetry.dialects.reading import read_as
from tollkeeper.telemetry.dialects.said import Said
from tollkeeper.telemetry.emission import Emission

DIALECTS = (
    litellm.DIALECT,
    openinference.DIALECT,
    openlit.DIALECT,
    logfire.DIALECT,
    langfuse.DIALECT,
    openllmetry.DIALECT,
    official.DIALECT,
)
"""In the order in which they are tried: those with marks of their own before those that are told by the conventions."""

MAY_GUESS = frozenset(dialect.name for dialect in DIALECTS if dialect.events_may_guess)
"""The emitters whose events may have counts that were made up, which only their spans tell."""

OWN_SCOPE = "tollkeeper"


def read(emission: Emission) -> Observed | None:
    """The call that a foreign span or event describes; `None` for what is not to be counted. Never raises.

    Not counted are what only holds other calls, what is no inference, and spans of our own: their records count.
    """
    if emission.scope == OWN_SCOPE or CALL_ID in emission.attributes:
        return None
    said = Said(emission)
    for dialect in DIALECTS:
        if dialect.recognises(said):
            return read_as(dialect, said)
    return None


__all__ = ["DIALECTS", "MAY_GUESS", "Observed", "call_id", "digest_of", "read"]
