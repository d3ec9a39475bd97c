"""The client's dataclasses, the OpenAPI document and the price file name the same things."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any, cast, get_args

import pytest

from tollkeeper.client import (
    AsyncClient,
    Client,
    administration,
    advice,
    alerting,
    answers,
    asks,
    detecting,
    emergencies,
    forecasting,
    keywords,
    limiting,
    observing,
    people,
    reconciling,
    records,
    reporting,
    standings,
)
from tollkeeper.model.cost import CostSource
from tollkeeper.model.providers import SETUPS
from tollkeeper.pricing.rows import PER_MILLION, PER_UNIT
from tollkeeper.sidecar.api import Services, build
from tollkeeper.sidecar.api.price_models import PriceFields
from tollkeeper.storage.ledger import DIMENSIONS
from tollkeeper.telemetry.services import SERVICES

SCHEMAS: dict[str, Any] = build(cast(Services, None)).openapi()["components"]["schemas"]
NAMED_OTHERWISE = {
    "Benchmarks": "BenchmarkList",
    "Channels": "ChannelList",
    "HeavyTail": "TailOf",
    "Message": "NotificationState",
    "Messages": "Notifications",
    "PriceHistory": "History",
    "Recommendation": "RecommendationState",
    "Recommendations": "RecommendationList",
    "Report": "ReportBody",
    "ReportSchedules": "ReportScheduleList",
    "Session": "SessionState",
    "Sessions": "SessionList",
    "Silences": "SilenceList",
    "Unread": "UnreadOf",
    "User": "UserState",
    "Users": "UserList",
}
KINDS = [
    kind
    for module in (
        answers,
        records,
        standings,
        alerting,
        emergencies,
        detecting,
        forecasting,
        advice,
        observing,
        reporting,
        reconciling,
        people,
    )
    for _, kind in inspect.getmembers(module, inspect.isclass)
    if kind.__module__ == module.__name__
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_answer_of_the_client_has_the_fields_of_the_document(kind: Any) -> None:
    schema = SCHEMAS[NAMED_OTHERWISE.get(kind.__name__, kind.__name__)]
    assert {each.name for each in fields(kind)} == set(schema["properties"])


def test_every_operation_of_the_api_is_a_method_of_both_clients() -> None:
    asked = set()
    for module in (
        asks, administration, limiting, alerting, emergencies, detecting, forecasting, advice, observing, reporting,
        reconciling, people,
    ):  # fmt: skip
        for name, build_ask in inspect.getmembers(module, inspect.isfunction):
            if build_ask.__module__ == module.__name__ and not name.startswith("_"):
                asked.add(name)
    for client in (Client, AsyncClient):
        assert asked == {name for name in dir(client) if name in asked}
        assert inspect.signature(client.usage) == inspect.signature(asks.usage)


def test_every_parameter_of_a_query_is_an_argument_of_the_client() -> None:
    paths = build(cast(Services, None)).openapi()["paths"]
    functions = {
        "/usage": asks.usage,
        "/calls": asks.calls,
        "/stats": asks.stats,
        "/prices": administration.prices,
        "/prices/history": administration.price_history,
        "/prices/effective": administration.effective_price,
        "/prices/unpriced": administration.unpriced,
        "/audit": administration.audit,
        "/limits": limiting.limits,
        "/recommendations": advice.recommendations,
        "/policy/history": limiting.policy_history,
    }
    for path, function in functions.items():
        names = {one["name"] for one in paths[path]["get"]["parameters"] if one["in"] == "query"}
        assert names - {"format"} == set(inspect.signature(function).parameters), path


def test_a_row_of_the_price_book_can_say_all_that_a_price_file_can() -> None:
    assert {*PER_MILLION, *PER_UNIT} <= set(PriceFields.model_fields)
    assert get_args(keywords.Dimension) == DIMENSIONS


def test_every_provider_that_calls_are_recognised_of_has_a_setup_guide() -> None:
    named = {setup.name for setup in SETUPS}
    assert {service.provider for service in SERVICES} <= named
    assert all(setup.guide.endswith(".") for setup in SETUPS)
    assert len(named) == len(SETUPS)


def test_what_each_source_of_a_cost_means_is_told() -> None:
    told = SCHEMAS["Attempt"]["properties"]["cost_source"]["description"]
    assert all(f"`{source}`: " in told for source in get_args(CostSource))


def test_every_operation_and_parameter_is_described() -> None:
    document = build(cast(Services, None)).openapi()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation.get("summary") and operation.get("description"), (method, path)
            assert operation["tags"], (method, path)
    for name, schema in document["components"]["schemas"].items():
        assert schema.get("description") or name in ("HTTPValidationError", "ValidationError"), name
