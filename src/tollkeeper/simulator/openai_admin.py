"""OpenAI's organisation usage and costs, of the calls that were made here.

As documented in its API reference (Administration: usage and costs): buckets of UTC, costs in days only, amounts in
dollars, which come as decimal strings; line items are named `MODEL, input`, `MODEL, cached input`, `MODEL, output`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tollkeeper.simulator.bill import DAY, INPUT_ITEMS, Charge, merged, rounded
from tollkeeper.simulator.exchange import Answer, Refused, Request, json_answer
from tollkeeper.simulator.knobs import Knobs
from tollkeeper.simulator.paging import Limits, page, values
from tollkeeper.simulator.world import World

KEY_PREFIX = "sk-admin"
USAGE_LIMITS: Limits = {"1d": (7, 31), "1h": (24, 168), "1m": (60, 1440)}
COST_LIMITS: Limits = {"1d": (7, 180)}
USAGE_FIELDS = {
    "project_id": "project", "api_key_id": "key", "model": "model", "batch": "tier", "service_tier": "tier",
    "user_id": "", "api_source": "",
}  # fmt: skip
COST_FIELDS = ("project_id", "line_item", "api_key_id", "user_id", "api_source")
LINE_ITEMS = {"input": "input", "cache_read": "cached input", "output": "output"}


def usage(request: Request, world: World) -> Answer:
    """GET /v1/organization/usage/{kind}"""
    _check_key(request)
    kind = request.place["kind"]
    grouped = _group_by(request, tuple(USAGE_FIELDS))
    found = page(request, world, _moment(request, "start_time"), _end(request), USAGE_LIMITS,
                 lambda charge: charge.provider == "openai" and charge.kind == kind)  # fmt: skip
    names = sorted({USAGE_FIELDS[name] for name in grouped} - {""})
    buckets = {
        start: [_used(kind, fields, charge, grouped) for fields, charge in merged(charges, names)]
        for start, charges in found.buckets.items()
    }
    return _page(buckets, found.width, found.next_page)


def costs(request: Request, world: World) -> Answer:
    """GET /v1/organization/costs"""
    _check_key(request)
    grouped = _group_by(request, COST_FIELDS)
    found = page(request, world, _moment(request, "start_time"), _end(request), COST_LIMITS,
                 lambda charge: charge.provider == "openai")  # fmt: skip
    buckets = {
        start: [*_cost_rows(charges, grouped, request.knobs), *_credit(charges, grouped, request.knobs.bill_credit)]
        for start, charges in found.buckets.items()
    }
    return _page(buckets, DAY, found.next_page)


def _used(kind: str, fields: Any, charge: Charge, grouped: list[str]) -> dict[str, Any]:
    whole = sum(charge.tokens[item] for item in INPUT_ITEMS)
    row: dict[str, Any] = {
        "object": f"organization.usage.{kind}.result",
        "input_tokens": whole,
        "num_model_requests": charge.requests,
        "project_id": fields.get("project") if "project_id" in grouped else None,
        "user_id": None,
        "api_key_id": fields.get("key") if "api_key_id" in grouped else None,
        "model": fields.get("model"),
    }
    if kind == "completions":
        tier = fields.get("tier")
        row |= {
            "output_tokens": charge.tokens["output"],
            "input_cached_tokens": charge.tokens["cache_read"],
            "input_uncached_tokens": charge.tokens["input"],
            "input_audio_tokens": 0,
            "output_audio_tokens": 0,
            "batch": tier == "batch" if "batch" in grouped else None,
            "service_tier": _tier(tier) if "service_tier" in grouped else None,
        }
    return row


def _tier(tier: str | None) -> str | None:
    return "default" if tier in ("standard", "batch") else tier


def _cost_rows(charges: list[Charge], grouped: list[str], knobs: Knobs) -> list[dict[str, Any]]:
    names = [name for name, wanted in (("project", "project_id"), ("key", "api_key_id")) if wanted in grouped]
    by_item = "line_item" in grouped
    rows = []
    for fields, charge in merged(charges, [*names, *(["model"] if by_item else [])]):
        places = {"project_id": fields.get("project"), "api_key_id": fields.get("key")}
        if not by_item:
            rows.append(_cost(rounded(sum(charge.amounts.values(), Decimal(0)), knobs), None, None, places))
            continue
        for item, words in LINE_ITEMS.items():
            if charge.tokens[item]:
                rows.append(
                    _cost(rounded(charge.amounts[item], knobs), f"{charge.model}, {words}", charge.tokens[item], places)
                )
    return rows


def _cost(amount: Decimal, line_item: str | None, quantity: int | None, places: dict[str, Any]) -> dict[str, Any]:
    return {
        "object": "organization.costs.result",
        "amount": {"value": format(amount, "f"), "currency": "usd"},
        "line_item": line_item,
        **places,
        "user_id": None,
        "quantity": quantity,
        "quantity_unit": None if quantity is None else "tokens",
    }


def _credit(charges: list[Charge], grouped: list[str], dollars: float) -> list[dict[str, Any]]:
    """Given on each day on which anything was billed."""
    if not dollars or not charges:
        return []
    name = "Credit" if "line_item" in grouped else None
    return [_cost(-Decimal(str(dollars)), name, None, {"project_id": None, "api_key_id": None})]


def _page(buckets: dict[int, list[dict[str, Any]]], width: int, next_page: str | None) -> Answer:
    data = [
        {"object": "bucket", "start_time": start, "end_time": start + width, "results": rows}
        for start, rows in buckets.items()
    ]
    return json_answer({"object": "page", "data": data, "has_more": next_page is not None, "next_page": next_page})


def _check_key(request: Request) -> None:
    """Only keys of administrators are taken, which is another kind than those of projects."""
    if not request.headers.get("authorization", "").removeprefix("Bearer ").startswith(KEY_PREFIX):
        raise Refused(401, "You have insufficient permissions for this operation: an admin API key is needed.")


def _group_by(request: Request, known: tuple[str, ...]) -> list[str]:
    names = values(request, "group_by")
    if unknown := [name for name in names if name not in known]:
        raise Refused(
            400, f"Invalid value: '{unknown[0]}'. Supported values are: {', '.join(known)}.", param="group_by"
        )
    return names


def _moment(request: Request, name: str) -> int:
    said = request.query.get(name, "")
    if not said.isdecimal():
        raise Refused(400, f"Missing required parameter: '{name}'.", param=name)
    return int(said)


def _end(request: Request) -> int | None:
    return _moment(request, "end_time") if "end_time" in request.query else None
