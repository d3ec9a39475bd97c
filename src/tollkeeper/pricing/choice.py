"""Which model is the cheapest for a task, of those that may be asked, and why the others are not chosen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from tollkeeper.model import Call, Usage
from tollkeeper.model.health import Health
from tollkeeper.pricing.catalog import Catalog
from tollkeeper.pricing.cost import line_items, total
from tollkeeper.pricing.rates import Unpriced


class Candidate(NamedTuple):
    """A model that may be asked. `name` is how it was named, and how the answer names it."""

    name: str
    provider: str
    model: str


class Task(NamedTuple):
    """What a model is wanted for. Tokens are what the task is expected to use; latency is in seconds.

    `measured_only`: models of which no call was measured are left out, where latency or success is asked for.
    """

    input_tokens: int
    output_tokens: int
    budget: Decimal | None = None
    max_latency: float | None = None
    min_success: float | None = None
    measured_only: bool = False


class Offer(NamedTuple):
    """What a model would cost for the task, and how it has done of late; `None` where nobody has measured it."""

    name: str
    provider: str
    model: str
    usd: Decimal
    latency_p95: float | None
    success: float | None


@dataclass(frozen=True, slots=True)
class Choice:
    """The cheapest model, and all that would do, cheapest first. `left_out` says why of each that would not."""

    offers: tuple[Offer, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def model(self) -> str:
        """The name of the cheapest, as it was given."""
        return self.offers[0].name

    @property
    def usd(self) -> Decimal:
        """What the task would cost with it, in US dollars."""
        return self.offers[0].usd


def choose(candidates: Iterable[Candidate], task: Task, catalog: Catalog, health: Sequence[Health], at: int) -> Choice:
    """The cheapest at a moment, in nanoseconds since the epoch. Of several as cheap, who answers fastest is first.

    Raises `LookupError`, which says why each is left out, where none is left.
    """
    known = {(each.provider, each.model): each for each in health}
    offers: list[Offer] = []
    left_out: dict[str, str] = {}
    for candidate in candidates:
        offer = _offer(candidate, task, catalog, known.get((candidate.provider, candidate.model)), at)
        if isinstance(offer, Offer):
            offers.append(offer)
        else:
            left_out[candidate.name] = offer
    if not offers:
        raise LookupError("no model would do: " + "; ".join(f"{name} {why}" for name, why in left_out.items()))
    offers.sort(key=lambda each: (each.usd, each.latency_p95 is None, each.latency_p95 or 0.0))
    return Choice(tuple(offers), left_out)


def _offer(candidate: Candidate, task: Task, catalog: Catalog, health: Health | None, at: int) -> Offer | str:
    usd = _cost(candidate, task, catalog, at)
    if isinstance(usd, str):
        return f"has no price: {usd}"
    if task.budget is not None and usd > task.budget:
        return f"costs ${usd.normalize():f}, more than ${task.budget:f}"
    latency, success = (health.latency_p95, health.success) if health is not None else (None, None)
    if health is not None and health.circuit == "open":
        return "has failed again and again just now"
    if task.max_latency is not None and (latency is None and task.measured_only):
        return "has a latency that was not measured"
    if task.max_latency is not None and latency is not None and latency > task.max_latency:
        return f"takes {latency:.1f} s"
    if task.min_success is not None and (success is None and task.measured_only):
        return "has a success that was not measured"
    if task.min_success is not None and success is not None and success < task.min_success:
        return f"has answered {success:.0%} of its calls"
    return Offer(candidate.name, candidate.provider, candidate.model, usd, latency, success)


def _cost(candidate: Candidate, task: Task, catalog: Catalog, at: int) -> Decimal | str:
    """US dollars; or why nobody knows."""
    if not candidate.provider:
        return "nobody knows whose it is; write it as provider/model"
    rates = catalog.rates(Call("", candidate.provider, "chat", at, candidate.model))
    if isinstance(rates, Unpriced):
        return rates.reason
    usage = Usage(input_tokens=task.input_tokens, output_tokens=task.output_tokens)
    items = line_items(usage, rates)
    return items.reason if isinstance(items, Unpriced) else total(items)
