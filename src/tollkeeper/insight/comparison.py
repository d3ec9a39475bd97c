"""Providers held against each other, and against what people expect of them, or were promised."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Literal, NamedTuple, get_args

from tollkeeper.insight.health import Figures, Key

Measure = Literal[
    "success_rate", "rate_limited_share", "latency_p50", "latency_p95", "latency_p99", "first_chunk_p50",
    "first_chunk_p95", "first_chunk_p99", "output_tokens_per_second", "streamed_tokens_per_second",
    "usd_per_1k_tokens", "usd_per_answer",
]  # fmt: skip
"""As in `Figures`; shares are of one, times are in seconds, money is US dollars."""
MEASURES: tuple[Measure, ...] = get_args(Measure)
SHARES: frozenset[Measure] = frozenset(("success_rate", "rate_limited_share"))
MORE_IS_BETTER: frozenset[Measure] = frozenset(
    ("success_rate", "output_tokens_per_second", "streamed_tokens_per_second")
)

FEWEST_CALLS = 20
"""Of fewer, nothing is said."""
TOLERANCE = 0.1
"""By this part more or less, a time, a speed or a cost is as it was said."""
NORMAL_95 = 1.959964
"""How many standard deviations to either side hold 95 % of a normal distribution."""

Verdict = Literal["better", "as_said", "worse", "unknown"]


class Benchmark(NamedTuple):
    """What somebody expects of a provider; without a `model`, of all of its models. `source` says where that is from.

    One of `success_rate` is also the objective of the provider's error budget.
    """

    provider: str
    model: str
    measure: Measure
    value: Decimal
    source: str


class Compared(NamedTuple):
    """One measure of a provider or a model. `of_best` and `of_benchmark` are the value, divided by the other one.

    `calls` are those behind the value. `best` has the best value of all that are compared.
    """

    measure: Measure
    value: float | None
    calls: int
    best: Key | None
    of_best: float | None
    benchmark: Benchmark | None
    of_benchmark: float | None
    verdict: Verdict


def mistakes(benchmark: Benchmark) -> list[str]:
    """What is wrong with one, each as what it is and what was expected."""
    found = []
    if not benchmark.provider.strip():
        found.append(f"provider is {benchmark.provider!r}; expected a provider's name")
    if not benchmark.source.strip():
        found.append(f"source is {benchmark.source!r}; expected who says so, such as a contract or a measurement")
    value = benchmark.value
    if not value.is_finite() or value < 0:
        found.append(f"value is {value}; expected a number that is not negative")
    elif benchmark.measure == "success_rate" and not 0 < value < 1:
        found.append(f"value is {value}; expected a share between 0 and 1, such as 0.995")
    elif benchmark.measure in SHARES and value > 1:
        found.append(f"value is {value}; expected a share from 0 to 1")
    return found


def compare(found: Mapping[Key, Figures], benchmarks: Iterable[Benchmark]) -> dict[Key, tuple[Compared, ...]]:
    """Each of them, by every measure. A benchmark of the model goes before one of its provider."""
    said = {(Key(each.provider, each.model), each.measure): each for each in benchmarks}
    best = {measure: _best(found, measure) for measure in MEASURES}
    return {
        key: tuple(
            _compared(
                measure,
                each,
                best[measure],
                said.get((Key(key.provider, key.model), measure)) or said.get((Key(key.provider), measure)),
            )
            for measure in MEASURES
        )
        for key, each in found.items()
    }


def value_of(each: Figures, measure: Measure) -> float | None:
    """The value of a measure."""
    if measure == "usd_per_1k_tokens":
        return None if each.nano_usd_per_1k_tokens is None else each.nano_usd_per_1k_tokens / 1e9
    if measure == "usd_per_answer":
        return None if each.nano_usd_per_answer is None else each.nano_usd_per_answer / 1e9
    value: float | None = getattr(each, measure)
    return value


def calls_behind(each: Figures, measure: Measure) -> int:
    """Of how many calls a measure is."""
    if measure in SHARES:
        return each.calls if measure == "rate_limited_share" else each.calls - each.faults.get("caller", 0)
    if measure.startswith("usd"):
        return each.costed
    return each.streams if measure.startswith(("first", "streamed")) else each.timed


def _best(found: Mapping[Key, Figures], measure: Measure) -> tuple[Key, float] | None:
    values = [
        (key, value)
        for key, each in sorted(found.items())
        if (value := value_of(each, measure)) is not None and calls_behind(each, measure) >= FEWEST_CALLS
    ]
    better = max if measure in MORE_IS_BETTER else min
    return better(values, key=lambda each: each[1], default=None)


def _compared(measure: Measure, each: Figures, best: tuple[Key, float] | None, benchmark: Benchmark | None) -> Compared:
    value, calls = value_of(each, measure), calls_behind(each, measure)
    enough = value is not None and calls >= FEWEST_CALLS
    return Compared(
        measure,
        value,
        calls,
        best[0] if best is not None else None,
        _ratio(value, best[1]) if best is not None and enough else None,
        benchmark,
        _ratio(value, float(benchmark.value)) if benchmark is not None else None,
        _verdict(measure, value, calls, float(benchmark.value))
        if benchmark is not None and value is not None and enough
        else "unknown",
    )


def _verdict(measure: Measure, value: float, calls: int, said: float) -> Verdict:
    if measure in SHARES:
        low, high = wilson(value, calls)
    else:
        low, high = value * (1 - TOLERANCE), value * (1 + TOLERANCE)
    if low <= said <= high:
        return "as_said"
    return "better" if (value > said) == (measure in MORE_IS_BETTER) else "worse"


def wilson(share: float, calls: int) -> tuple[float, float]:
    """Between which shares the true one lies, with 95 % confidence (Wilson, 1927)."""
    square = NORMAL_95**2
    middle = (share + square / (2 * calls)) / (1 + square / calls)
    half = NORMAL_95 * math.sqrt(share * (1 - share) / calls + square / (4 * calls**2)) / (1 + square / calls)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def _ratio(value: float | None, other: float) -> float | None:
    return value / other if value is not None and other else None
