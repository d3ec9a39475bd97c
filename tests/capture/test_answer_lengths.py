"""What a call is likely to write, learned from the answers before it: for soft limits, and for no others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

import tollkeeper
from tollkeeper.model import Limit, Window
from tollkeeper.policy import Policy
from tollkeeper.pricing.expected import NEEDED
from tollkeeper.simulator import Simulator

MILLION = 10**6


@pytest.fixture
def app() -> Iterator[openai.OpenAI]:
    with Simulator() as started:
        yield openai.OpenAI(base_url=f"{started.url}/v1", api_key="any")


def ask(app: openai.OpenAI, **options: Any) -> Any:
    asked = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}], **options}
    return app.chat.completions.create(**asked)


def test_what_a_soft_limit_holds_is_learned_from_the_answers(
    instrumented: Callable[..., tollkeeper.Instrumentation], app: openai.OpenAI
) -> None:
    limits = tuple(
        Limit(f"{mode} {measure}", measure, amount, Window("day"), mode=mode)
        for mode in ("soft", "hard")
        for measure, amount in (("output_tokens", MILLION), ("usd", 10**9 * MILLION))
    )
    handle = instrumented(policy=Policy("p", limits))
    for _ in range(NEEDED):
        ask(app, max_completion_tokens=16)
    spent = {status.limit.name: status.used for status in handle.limits()}
    assert spent["soft output_tokens"] == spent["hard output_tokens"] == NEEDED * 16
    assert spent["soft usd"] == spent["hard usd"]
    stream = ask(app, max_completion_tokens=4000, stream=True)
    held = {status.limit.name: status.held for status in handle.limits()}
    assert (held["soft output_tokens"], held["hard output_tokens"]) == (17, 4000)
    # gpt-4o-mini: $0.60 for a million tokens of output.
    assert held["hard usd"] - held["soft usd"] == (4000 - 17) * 600
    stream.close()
    other = ask(app, model="gpt-4o", max_completion_tokens=4000, stream=True)
    assert {status.held for status in handle.limits() if "output" in status.limit.name} == {4000}
    other.close()


def test_a_call_without_a_most_has_an_estimate_for_a_soft_limit(
    instrumented: Callable[..., tollkeeper.Instrumentation], app: openai.OpenAI
) -> None:
    handle = instrumented(policy=Policy("p", (Limit("soft", "output_tokens", MILLION, Window("day"), mode="soft"),)))
    first = ask(app, stream=True)
    assert [status.held for status in handle.limits()] == [0], "nobody knows"
    list(first)
    for _ in range(NEEDED):
        ask(app)
    stream = ask(app, stream=True)
    (status,) = handle.limits()
    assert 0 < status.held <= status.used
    stream.close()
