"""`tollkeeper.cheapest(…)`: the cheapest model for a task, by the prices that calls are priced with."""

from __future__ import annotations

import time
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from tollkeeper.capture import instrumentation
from tollkeeper.capture.providers.services import find_service
from tollkeeper.policy import Policy
from tollkeeper.pricing import Catalog
from tollkeeper.pricing.choice import Candidate, Choice, Task, choose

if TYPE_CHECKING:
    from tollkeeper.capture.instrumentation import Instrumentation

_catalog: Catalog | None = None


def cheapest(
    *,
    input_tokens: int,
    output_tokens: int,
    models: Sequence[str] = (),
    providers: Sequence[str] = (),
    quality: str | None = None,
    budget: Decimal | str | int | None = None,
    max_latency: float | None = None,
    min_success: float | None = None,
    measured_only: bool = False,
) -> Choice:
    """The cheapest model for a call of so many tokens.

    `models` are those that would do: `gpt-4o`, `anthropic/claude-haiku-4-5`, or one of an endpoint of the policy,
    `groq:llama-3.3-70b-versatile`; `quality` is a class of them that the policy names. `providers` leaves out those of
    others; alone, it means all of their models that the price list has with prices for text in and out. `budget` is in
    US dollars, for this call. `max_latency` (seconds, of 95 in 100 calls) and `min_success` (a share of one) go by
    what this process has measured: what it has not is let pass, unless `measured_only`.

    Raises `ValueError` for what cannot be understood, and `LookupError`, with the reasons, where no model would do.
    """
    app = instrumentation.current()
    policy = app.policy if app is not None else None
    mistakes = _mistakes(input_tokens, output_tokens, models, providers, quality, policy)
    if mistakes:
        raise ValueError("\n".join(mistakes))
    catalog, now = _catalog_of(app), time.time_ns()
    names = (*models, *(policy.quality[quality] if policy is not None and quality is not None else ()))
    found = [_candidate(name, policy, catalog) for name in dict.fromkeys(names)]
    if not names:
        found = [
            Candidate(f"{provider}/{model}", provider, model)
            for provider in providers
            for model in catalog.text_models(provider, now)
        ]
    elif providers:
        found = [candidate for candidate in found if candidate.provider in providers]
    task = Task(input_tokens, output_tokens, _dollars(budget), max_latency, min_success, measured_only)
    return choose(found, task, catalog, app.health() if app is not None else (), now)


def _catalog_of(app: Instrumentation | None) -> Catalog:
    """The app's own, or, where nothing is instrumented, the price list."""
    global _catalog
    if app is not None:
        return app.catalog
    if _catalog is None:
        _catalog = Catalog()
    return _catalog


def _candidate(name: str, policy: Policy | None, catalog: Catalog) -> Candidate:
    model, endpoint = policy.target(name) if policy is not None else (name, None)
    if endpoint is not None:
        host = endpoint.base_url.partition("://")[2].partition("/")[0].partition(":")[0]
        service = find_service(host)
        return Candidate(name, endpoint.provider or (service.provider if service is not None else ""), model)
    provider, slash, rest = name.partition("/")
    return Candidate(name, provider, rest) if slash else Candidate(name, catalog.provider_of(name) or "", name)


def _mistakes(
    input_tokens: int,
    output_tokens: int,
    models: Sequence[str],
    providers: Sequence[str],
    quality: str | None,
    policy: Policy | None,
) -> list[str]:
    found = []
    for name, value in (("input_tokens", input_tokens), ("output_tokens", output_tokens)):
        if type(value) is not int or value < 0:
            found.append(f"{name} is {value!r}; expected a whole number that is not negative")
    for name, names in (("models", models), ("providers", providers)):
        if isinstance(names, str):
            found.append(f"{name} is {names!r}; expected a list of names")
    classes = policy.quality if policy is not None else {}
    if quality is not None and quality not in classes:
        known = f"one of {', '.join(sorted(classes))}" if classes else "a class that the policy names in [quality]"
        found.append(f"quality is {quality!r}; expected {known}")
    if not models and not providers and quality is None:
        found.append("models, providers and quality are missing; expected one of them: which models would do")
    return found


def _dollars(budget: Decimal | str | int | None) -> Decimal | None:
    if budget is None:
        return None
    try:
        return Decimal(str(budget).removeprefix("$"))
    except ArithmeticError:
        raise ValueError(f"budget is {budget!r}; expected US dollars, such as 0.01") from None
