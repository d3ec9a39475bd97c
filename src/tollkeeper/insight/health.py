"""How providers and models do: success, latency, speed, errors and what an answer costs, from sums over calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Literal, NamedTuple, TypeVar, get_args

from tollkeeper.insight.histogram import SECONDS
from tollkeeper.model.failure import failure_by
from tollkeeper.model.ladder import Failure

Fault = Literal["429", "5xx", "timeout", "connection", "caller"]
"""`caller`: the provider has refused the call as wrong, or nobody can tell that it was the provider's fault."""
FAULTS: tuple[Fault, ...] = get_args(Fault)

ERRORS_SHOWN = 20

_K = TypeVar("_K")


class Key(NamedTuple):
    """Whose calls these are. An empty text: of all of them; for a tier, also those that name none.

    `model` is the one that was asked for, which need not be the one that answered.
    """

    provider: str = ""
    model: str = ""
    tier: str = ""


class Failed(NamedTuple):
    """How a call has failed: the provider's own word, or the name of the exception."""

    status: int | None
    error: str

    @property
    def fault(self) -> Fault:
        """Whose fault it was. The status of a stream that broke off was good when it began."""
        status = self.status if self.status is not None and self.status >= 400 else None
        kind: Failure | None = failure_by(status, self.error)
        return "caller" if kind is None or kind == "open_circuit" else kind


@dataclass(slots=True)
class Tally:
    """Sums over some calls, and counts by size (`histogram.SECONDS`); they add up.

    Calls with a known cost are `costed`, `costed_answered` of them were answered. `weighed_…` are of the calls whose
    tokens and cost are both known. `output_…` are of answers whose tokens the provider has counted and whose duration
    is known; `streamed_…` are of streams, from the first chunk on.
    """

    calls: int = 0
    failed: int = 0
    unmeasured: int = 0
    unpriced: int = 0
    costed: int = 0
    costed_answered: int = 0
    nano_usd: int = 0
    weighed_tokens: int = 0
    weighed_nano_usd: int = 0
    output_tokens: int = 0
    output_seconds: float = 0.0
    streamed_tokens: int = 0
    streamed_seconds: float = 0.0
    latencies: dict[int, int] = field(default_factory=dict)
    first_chunks: dict[int, int] = field(default_factory=dict)
    failures: dict[Failed, int] = field(default_factory=dict)

    def add(self, other: Tally) -> None:
        """Count the calls of another one, too."""
        for name in _NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        _add(self.latencies, other.latencies)
        _add(self.first_chunks, other.first_chunks)
        _add(self.failures, other.failures)


_NUMBERS = tuple(each.name for each in fields(Tally) if each.type in ("int", "float"))


class Figures(NamedTuple):
    """How somebody does. Shares are of one, times are in seconds; what nothing is known of is `None`.

    `success_rate`: of the calls that the provider could answer (`calls` without those that failed by the caller's
    fault), those that it has. `output_tokens_per_second` is of the whole call, `streamed_tokens_per_second` from the
    first chunk on. `nano_usd_per_1k_tokens` is over input and output; `nano_usd_per_answer` has the cost of failed
    calls in it. Both are of the `costed` calls, whose cost is known.
    """

    calls: int
    answered: int
    failed: int
    success_rate: float | None
    rate_limited_share: float | None
    faults: Mapping[Fault, int]
    errors: tuple[tuple[Failed, int], ...]
    timed: int
    latency_p50: float | None
    latency_p95: float | None
    latency_p99: float | None
    streams: int
    first_chunk_p50: float | None
    first_chunk_p95: float | None
    first_chunk_p99: float | None
    output_tokens_per_second: float | None
    streamed_tokens_per_second: float | None
    nano_usd: int | None
    costed: int
    unpriced: int
    unmeasured: int
    nano_usd_per_1k_tokens: int | None
    nano_usd_per_answer: int | None


def figures(tally: Tally) -> Figures:
    """What sums come to."""
    faults: dict[Fault, int] = {}
    for failed, number in tally.failures.items():
        faults[failed.fault] = faults.get(failed.fault, 0) + number
    answered = tally.calls - tally.failed
    asked = answered + sum(number for fault, number in faults.items() if fault != "caller")
    errors = sorted(tally.failures.items(), key=lambda each: (-each[1], each[0].error, each[0].status or 0))
    latency, first = tally.latencies, tally.first_chunks
    return Figures(
        calls=tally.calls,
        answered=answered,
        failed=tally.failed,
        success_rate=_ratio(answered, asked),
        rate_limited_share=_ratio(faults.get("429", 0), tally.calls),
        faults=faults,
        errors=tuple(errors[:ERRORS_SHOWN]),
        timed=sum(latency.values()),
        latency_p50=SECONDS.quantile(latency, 0.5),
        latency_p95=SECONDS.quantile(latency, 0.95),
        latency_p99=SECONDS.quantile(latency, 0.99),
        streams=sum(first.values()),
        first_chunk_p50=SECONDS.quantile(first, 0.5),
        first_chunk_p95=SECONDS.quantile(first, 0.95),
        first_chunk_p99=SECONDS.quantile(first, 0.99),
        output_tokens_per_second=_ratio(tally.output_tokens, tally.output_seconds),
        streamed_tokens_per_second=_ratio(tally.streamed_tokens, tally.streamed_seconds),
        nano_usd=tally.nano_usd if tally.costed else None,
        costed=tally.costed,
        unpriced=tally.unpriced,
        unmeasured=tally.unmeasured,
        nano_usd_per_1k_tokens=_rounded(1000 * tally.weighed_nano_usd, tally.weighed_tokens),
        nano_usd_per_answer=_rounded(tally.nano_usd, tally.costed_answered),
    )


def together(tallies: Iterable[Mapping[Key, Tally]]) -> dict[Key, Tally]:
    """The sums of several stretches of time."""
    found: dict[Key, Tally] = {}
    for some in tallies:
        for key, tally in some.items():
            found.setdefault(key, Tally()).add(tally)
    return found


def by(tallies: Mapping[Key, Tally], width: Literal[0, 1, 2]) -> dict[Key, Tally]:
    """The sums of all (0), by provider (1), or by provider and model (2)."""
    found: dict[Key, Tally] = {}
    for key, tally in tallies.items():
        found.setdefault(Key(*key[:width]), Tally()).add(tally)
    return found


def _add(into: dict[_K, int], counts: Mapping[_K, int]) -> None:
    for key, number in counts.items():
        into[key] = into.get(key, 0) + number


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _rounded(part: int, whole: int) -> int | None:
    """Half to even, as all money is rounded."""
    if not whole:
        return None
    below, rest = divmod(part, whole)
    return below + (2 * rest > whole or (2 * rest == whole and below % 2))
