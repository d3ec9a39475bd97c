"""The admin APIs, asked as their documentation says; by OpenAI's own SDK where that knows them."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import openai
import pytest

from tollkeeper.model import Call, Usage
from tollkeeper.pricing import Catalog
from tollkeeper.simulator import Simulator
from tollkeeper.simulator.bill import DAY, HOUR, PRICES, Use, prices_of

TODAY = 1_789_516_800  # 2026-09-16
NOW = TODAY + 10 * HOUR
MINI = "gpt-4o-mini-2024-07-18"


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(seed=1, clock=lambda: NOW) as running:
        yield running


def admin(simulator: Simulator) -> Any:
    return openai.OpenAI(
        base_url=simulator.base_url("openai"), api_key="none", admin_api_key="sk-admin-1", max_retries=0
    ).admin.organization.usage


def got(simulator: Simulator, path: str, **headers: str) -> tuple[int, Any]:
    request = urllib.request.Request(simulator.url + path, headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_openai_bills_the_calls_that_were_made_to_it(simulator: Simulator) -> None:
    client = openai.OpenAI(base_url=simulator.base_url("openai"), api_key="any")
    answers = [
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hello " * number}])
        for number in (3, 5)
    ]
    used = admin(simulator).completions(start_time=TODAY, group_by=["model", "batch", "service_tier"])
    (bucket,) = used.data
    (row,) = bucket.results
    assert (row.model, row.num_model_requests, row.batch, row.service_tier) == (MINI, 2, False, "default")
    assert row.input_tokens == sum(answer.usage.prompt_tokens for answer in answers if answer.usage)
    assert row.output_tokens == sum(answer.usage.completion_tokens for answer in answers if answer.usage)

    costs = admin(simulator).costs(start_time=TODAY, group_by=["line_item", "project_id"])
    found = {each.line_item: (Decimal(str(each.amount.value)), each.quantity) for each in costs.data[0].results}
    million = Decimal(10**6)
    assert found == {
        f"{MINI}, input": (row.input_tokens * Decimal("0.15") / million, row.input_tokens),
        f"{MINI}, output": (row.output_tokens * Decimal("0.6") / million, row.output_tokens),
    }


def test_pages_follow_one_another_and_end(simulator: Simulator) -> None:
    days = [TODAY - number * DAY for number in range(10)]
    simulator.meter.add(Use(day + HOUR, "openai", MINI, 100 + number, 10) for number, day in enumerate(days))
    starts, tokens, page = [], [], None
    for _ in range(5):
        asked = {} if page is None else {"page": page}
        found = admin(simulator).completions(start_time=days[-1], limit=4, group_by=["model"], **asked)
        starts += [bucket.start_time for bucket in found.data]
        tokens += [bucket.results[0].input_tokens for bucket in found.data]
        page = found.next_page
        assert found.has_more == (page is not None)
        if page is None:
            break
    assert starts == sorted(days)
    assert tokens == [109 - number for number in range(10)]


def test_anthropic_counts_in_cents_and_by_description(simulator: Simulator) -> None:
    simulator.meter.add(
        [Use(TODAY - DAY, "anthropic", "claude-haiku-4-5-20251001", 1000, 300, 200, 50, 20, tier="batch")]
    )
    keys = {"x-api-key": "sk-ant-admin-1", "anthropic-version": "2023-06-01"}
    query = "starting_at=2026-09-15T00:00:00Z&ending_at=2026-09-16T00:00:00Z"
    path = f"/v1/organizations/usage_report/messages?{query}&group_by[]=model&group_by[]=service_tier"
    _, used = got(simulator, path, **keys)
    (row,) = used["data"][0]["results"]
    assert (row["uncached_input_tokens"], row["cache_read_input_tokens"], row["output_tokens"]) == (1000, 200, 300)
    assert row["cache_creation"] == {"ephemeral_5m_input_tokens": 50, "ephemeral_1h_input_tokens": 20}
    assert (row["model"], row["service_tier"], row["workspace_id"]) == ("claude-haiku-4-5-20251001", "batch", None)
    _, costs = got(simulator, f"/v1/organizations/cost_report?{query}&group_by[]=description", **keys)
    rows = costs["data"][0]["results"]
    assert {each["token_type"]: Decimal(each["amount"]) for each in rows}["output_tokens"] == Decimal("0.075")
    assert {each["service_tier"] for each in rows} == {"batch"}
    assert not costs["has_more"]


def test_openrouter_tells_of_days_that_are_over(simulator: Simulator) -> None:
    simulator.meter.add(
        [Use(NOW, "openrouter", "openai/gpt-4.1", 5, 5), Use(NOW - DAY, "openrouter", "openai/gpt-4.1", 100, 40, 60)]
    )
    _, found = got(simulator, "/api/v1/activity?date=2026-09-15", authorization="Bearer sk-or-1")
    (row,) = found["data"]
    assert (row["date"], row["prompt_tokens"], row["completion_tokens"], row["requests"]) == ("2026-09-15", 160, 40, 1)
    assert got(simulator, "/api/v1/activity?date=2026-09-16", authorization="Bearer sk-or-1")[0] == 400


@pytest.mark.parametrize(
    "path, headers, status",
    [
        ("/v1/organization/costs?start_time=0", {"authorization": "Bearer sk-proj-1"}, 401),
        ("/v1/organization/costs", {"authorization": "Bearer sk-admin-1"}, 400),
        ("/v1/organization/costs?start_time=0&limit=500", {"authorization": "Bearer sk-admin-1"}, 400),
        ("/v1/organization/costs?start_time=0&group_by=colour", {"authorization": "Bearer sk-admin-1"}, 400),
        ("/v1/organizations/cost_report?starting_at=2026-09-15T00:00:00Z", {"x-api-key": "sk-ant-api-1"}, 401),
        ("/v1/organizations/cost_report?starting_at=2026-09-15T00:00:00Z", {"x-api-key": "sk-ant-admin-1"}, 400),
        ("/api/v1/activity", {}, 401),
    ],
)
def test_what_is_asked_wrongly_is_refused(
    simulator: Simulator, path: str, headers: dict[str, str], status: int
) -> None:
    assert got(simulator, path, **headers)[0] == status


def test_prices_are_those_of_the_price_list() -> None:
    catalog, compared = Catalog(), 0
    catalog.load()
    for model in PRICES:
        provider = "anthropic" if model.startswith("claude") else "openai"
        usage = Usage(6000, 1000 if "embedding" not in model else None, 1000, 2000, 500)
        if provider == "openai":
            usage = usage._replace(cache_write_tokens=None, cache_write_1h_tokens=None)
        call = Call("1", provider, "chat", NOW * 10**9, request_model=model, response_model=model, usage=usage)
        cost, status = catalog.price(call)
        if status == "unpriced" or cost is None:
            continue
        ours = prices_of(model)
        for item in cost.items:
            if item.meter in ours:
                assert item.unit_price * 10**6 == ours[item.meter], (model, item)
                compared += 1
    assert compared > 40
