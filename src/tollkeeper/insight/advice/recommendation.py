"""A recommendation: what to do, what it would save, what that rests on, and what could go wrong."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

Kind = Literal[
    "cheaper_model",
    "prompt_caching",
    "batch",
    "flex",
    "max_tokens",
    "duplicate_prompts",
    "budget",
    "price_missing",
    "price_differs",
    "failed_calls",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

Confidence = Literal["low", "medium", "high"]
CONFIDENCES: tuple[Confidence, ...] = get_args(Confidence)
"""The least sure first."""

Means = Literal["policy", "code", "command"]


class Saving(NamedTuple):
    """Nano-dollars in a month of thirty days: what is likely, and between what it is in four of five cases."""

    low: int
    mid: int
    high: int


class Way(NamedTuple):
    """How to do it. `policy` is TOML to be added to the policy file, `code` is Python, `command` is for a shell."""

    means: Means
    text: str


class Recommendation(NamedTuple):
    """`scope` is whose calls it is about, `subject` what of them; `spend`, in nano-dollars, what they cost in a month.

    `saving` is `None` where it cannot be told in money. `evidence` are figures, by name; `rests_on` says in words what
    the saving rests on, `risks` what could go wrong. `alternative_to` is the id of a better one for the same calls:
    savings of the two do not add up.
    """

    kind: Kind
    scope: Mapping[str, str]
    subject: str
    title: str
    evidence: Mapping[str, Any]
    spend: int | None
    saving: Saving | None
    confidence: Confidence
    rests_on: tuple[str, ...]
    ways: tuple[Way, ...]
    risks: tuple[str, ...]
    alternative_to: str | None = None

    @property
    def id(self) -> str:
        """The same for as long as it is about the same."""
        said = [self.kind, sorted(self.scope.items()), self.subject]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            **self._asdict(),
            "scope": dict(self.scope),
            "evidence": dict(self.evidence),
            "saving": None if self.saving is None else self.saving._asdict(),
            "rests_on": list(self.rests_on),
            "ways": [way._asdict() for way in self.ways],
            "risks": list(self.risks),
        }


def recommendation_of(document: Mapping[str, Any]) -> Recommendation:
    """What `document` wrote."""
    saving = document["saving"]
    return Recommendation(
        **{
            **document,
            "saving": None if saving is None else Saving(**saving),
            "rests_on": tuple(document["rests_on"]),
            "ways": tuple(Way(**way) for way in document["ways"]),
            "risks": tuple(document["risks"]),
        }
    )


def least(*confidences: Confidence) -> Confidence:
    """The least sure of them."""
    return min(confidences, key=CONFIDENCES.index)
