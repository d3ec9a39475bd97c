"""The cheapest model for a task: by the prices in force, the classes of the policy, and what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import openai
import pytest

import tollkeeper
from tollkeeper.capture.health import OPENS_AFTER
from tollkeeper.model.health import Health
from tollkeeper.policy.document import read_toml
from tollkeeper.pricing import Catalog
from tollkeeper.pricing.choice import Candidate, Task, choose
from tollkeeper.simulator import Simulator

AT = 1_767_225_600_000_000_000
"""2026-01-01."""

MINI = Candidate("gpt-4o-mini", "openai", "gpt-4o-mini")
BIG = Candidate("gpt-4o", "openai", "gpt-4o")
HAIKU = Candidate("claude-haiku-4-5", "anthropic", "claude-haiku-4-5")
TASK = Task(1_000_000, 1_000_000)


def health(model: str, latency: float | None, success: float | None, circuit: Any = "closed") -> Health:
    return Health("openai", model, 10, success, latency, latency, circuit)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog()


def test_the_cheapest_comes_first(catalog: Catalog) -> None:
    choice = choose((BIG, HAIKU, MINI), TASK, catalog, (), AT)
    assert (choice.model, choice.usd) == ("gpt-4o-mini", Decimal("0.75"))
    assert [(offer.name, offer.usd) for offer in choice.offers] == [
        ("gpt-4o-mini", Decimal("0.75")), ("claude-haiku-4-5", Decimal(6)), ("gpt-4o", Decimal("12.5")),
    ]  # fmt: skip
    assert choice.left_out == {}


def test_what_would_not_do_is_left_out_with_the_reason(catalog: Catalog) -> None:
    known = (health("gpt-4o-mini", 9.0, 0.99), health("gpt-4o", 1.0, 0.5))
    unknown = Candidate("mine", "openai", "nobody-knows-this")
    choice = choose((BIG, HAIKU, MINI, unknown), TASK._replace(max_latency=5, min_success=0.9), catalog, known, AT)
    assert choice.model == "claude-haiku-4-5"
    assert choice.offers[0].latency_p95 is None, "nobody has measured it, and nothing is made up"
    assert choice.left_out == {
        "gpt-4o": "has answered 50% of its calls",
        "gpt-4o-mini": "takes 9.0 s",
        "mine": "has no price: in no price list",
    }
    with pytest.raises(LookupError, match=r"claude-haiku-4-5 has a latency that was not measured"):
        choose((HAIKU, MINI), TASK._replace(max_latency=5, measured_only=True), catalog, known, AT)


def test_a_budget_and_an_open_circuit(catalog: Catalog) -> None:
    with pytest.raises(LookupError, match=r"gpt-4o costs \$12.5, more than \$1; gpt-4o-mini has failed again"):
        choose((BIG, MINI), TASK._replace(budget=Decimal(1)), catalog, (health("gpt-4o-mini", None, 0, "open"),), AT)


def test_of_equals_the_faster_one(catalog: Catalog) -> None:
    twin = Candidate("gpt-4o-mini-2024-07-18", "openai", "gpt-4o-mini-2024-07-18")
    slow, fast = health("gpt-4o-mini", 3.0, 1.0), health("gpt-4o-mini-2024-07-18", 1.0, 1.0)
    assert choose((MINI, twin), TASK, catalog, (slow, fast), AT).model == twin.name


def test_without_an_instrumentation_the_price_list_is_asked() -> None:
    choice = tollkeeper.cheapest(input_tokens=1000, output_tokens=100, models=["gpt-4o", "claude-haiku-4-5"])
    assert choice.model == "claude-haiku-4-5"
    assert choice.offers[0].provider == "anthropic"
    every = tollkeeper.cheapest(input_tokens=1000, output_tokens=100, providers=["anthropic"])
    assert every.model.startswith("anthropic/claude-")
    assert len(every.offers) > 5
    some = tollkeeper.cheapest(input_tokens=9, output_tokens=9, models=["gpt-4o", "command-r"], providers=["cohere"])
    assert [offer.name for offer in some.offers] == ["command-r"]


def test_mistakes_are_told_at_once() -> None:
    with pytest.raises(ValueError, match=r"input_tokens is -1.*\n.*output_tokens is 1.5.*\n.*quality is 'high'"):
        tollkeeper.cheapest(input_tokens=-1, output_tokens=1.5, quality="high")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="which models would do"):
        tollkeeper.cheapest(input_tokens=1, output_tokens=1)
    with pytest.raises(ValueError, match=r"models is 'gpt-4o'; expected a list"):
        tollkeeper.cheapest(input_tokens=1, output_tokens=1, models="gpt-4o")
    with pytest.raises(ValueError, match="budget is 'ten'"):
        tollkeeper.cheapest(input_tokens=1, output_tokens=1, models=["gpt-4o"], budget="ten")


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as started:
        yield started


def test_classes_own_prices_and_measured_health(
    instrumented: Callable[..., tollkeeper.Instrumentation], simulator: Simulator, tmp_path: Path
) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text('[[price]]\nprovider = "house"\nmodel = "llm-7b"\ninput = "0.01"\noutput = "0.02"\n')
    policy = read_toml(
        '[[endpoint]]\nname = "house"\nbase_url = "http://llm.internal/v1"\nprovider = "house"\n'
        '[quality]\ngood = ["gpt-4o", "gpt-4o-mini", "house:llm-7b"]\n',
        "policy.toml",
    )
    instrumented(policy=policy, prices=str(prices))
    asked: dict[str, Any] = {"input_tokens": 1_000_000, "output_tokens": 1_000_000, "quality": "good"}
    assert (tollkeeper.cheapest(**asked).model, tollkeeper.cheapest(**asked).usd) == ("house:llm-7b", Decimal("0.03"))
    app = openai.OpenAI(base_url=f"{simulator.url}/v1", api_key="any", max_retries=0)
    for _ in range(OPENS_AFTER):
        with pytest.raises(openai.InternalServerError):
            app.chat.completions.create(
                model="gpt-4o-mini",
                messages=[{"role": "user", "content": "Hello"}],
                extra_headers={"X-Simulator": "status=503"},
            )
    choice = tollkeeper.cheapest(**asked, providers=["openai"])
    assert choice.model == "gpt-4o"
    assert choice.left_out == {"gpt-4o-mini": "has failed again and again just now"}
