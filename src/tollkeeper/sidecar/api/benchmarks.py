"""`/benchmarks`: what people expect of providers, or were promised by them. There are none until somebody sets one."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from tollkeeper.insight.comparison import Benchmark, Measure, mistakes
from tollkeeper.sidecar.api.answer import Answer, moment
from tollkeeper.sidecar.api.auth import author_of
from tollkeeper.sidecar.api.filters import LONGEST
from tollkeeper.sidecar.api.problems import Problem, Refusal, Refused, missing
from tollkeeper.sidecar.api.services import Given
from tollkeeper.storage.insight.benchmarks import Kept
from tollkeeper.storage.policies.store import LONGEST_REASON

router = APIRouter(tags=["insight"])
changes = APIRouter(tags=["insight"])

NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Refusal, "description": "There is no such benchmark."}}
Number = Annotated[Decimal, WithJsonSchema({"type": "number"})]

UNITS = "Shares are of one, times are in seconds, money is US dollars."


class BenchmarkState(BaseModel):
    """What is expected, of whom, and who says so."""

    provider: str = Field(examples=["openai"])
    model: str | None = Field(description="Null: of all of the provider's models.", examples=["gpt-4o-mini"])
    measure: Measure = Field(description=f"{UNITS} `success_rate` of a provider is its error budget's objective, too.")
    value: Number = Field(examples=[0.995])
    source: str = Field(examples=["our contract of March 2026, section 4"])
    changed_at: datetime
    author: str


class BenchmarkList(BaseModel):
    """By provider, model and measure."""

    benchmarks: list[BenchmarkState]


class NewBenchmark(BaseModel):
    """What is to be expected."""

    model_config = ConfigDict(extra="forbid")

    provider: str = Field(min_length=1, max_length=LONGEST, examples=["openai"])
    model: str = Field(default="", max_length=LONGEST, description="Without one: of all of the provider's models.")
    measure: Measure = Field(description=UNITS)
    value: Annotated[
        Decimal, Field(ge=0, max_digits=18, decimal_places=12), WithJsonSchema({"type": "number", "minimum": 0})
    ] = Field(examples=[0.995])
    source: str = Field(
        min_length=1,
        max_length=LONGEST_REASON,
        description="Who says so: a contract, a page of the provider's, a measurement of your own.",
    )
    reason: str = Field(default="", max_length=LONGEST_REASON, description="For the audit trail.")


class WhichBenchmark(BaseModel):
    """One of them, and why it goes."""

    provider: str = Field(min_length=1, max_length=LONGEST)
    model: str = Field(default="", max_length=LONGEST)
    measure: Measure
    reason: str = Field(default="", max_length=LONGEST_REASON, description="For the audit trail.")


@router.get("/benchmarks", response_model=BenchmarkList, summary="What is expected of providers")
def benchmarks(given: Given) -> Answer:
    """Set by people, with their sources: Tollkeeper brings none of its own."""
    return Answer(BenchmarkList(benchmarks=[_state(kept) for kept in given.insight.benchmarks.all()]))


@changes.put("/benchmarks", response_model=BenchmarkState, summary="Expect something of a provider")
def set_benchmark(request: Request, given: Given, new: NewBenchmark) -> Answer:
    """In place of what was expected before, by the same measure."""
    benchmark = Benchmark(new.provider, new.model, new.measure, new.value, new.source)
    if found := mistakes(benchmark):
        first, *others = (Problem(message=line, field=line.partition(" ")[0]) for line in found)
        raise Refused(422, first, others=others)
    return Answer(_state(given.insight.benchmarks.set(benchmark, author=author_of(request), reason=new.reason)))


@changes.delete("/benchmarks", response_model=BenchmarkState, summary="Expect it no more", responses=NOT_FOUND)
def remove_benchmark(request: Request, given: Given, params: Annotated[WhichBenchmark, Query()]) -> Answer:
    """Answers with the benchmark as it was."""
    kept = given.insight.benchmarks.remove(
        params.provider, params.model, params.measure, author=author_of(request), reason=params.reason
    )
    if kept is None:
        raise missing("benchmark", "/".join(filter(None, (params.provider, params.model, params.measure))))
    return Answer(_state(kept))


def _state(kept: Kept) -> BenchmarkState:
    benchmark = kept.benchmark
    return BenchmarkState(
        provider=benchmark.provider,
        model=benchmark.model or None,
        measure=benchmark.measure,
        value=benchmark.value,
        source=benchmark.source,
        changed_at=moment(kept.changed_at),
        author=kept.author,
    )
