"""Anthropic's usage and cost reports, of the calls that were made here.

As documented (Admin API: messages usage report, cost report): buckets of UTC, costs in days only, amounts in cents as
decimal strings. The default workspace is null.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tollkeeper.simulator.bill import Charge, merged, rounded
from tollkeeper.simulator.exchange import Answer, Refused, Request, json_answer
from tollkeeper.simulator.knobs import Knobs
from tollkeeper.simulator.paging import Limits, Page, page, values
from tollkeeper.simulator.world import World

KEY_PREFIX = "sk-ant-admin"
USAGE_LIMITS: Limits = {"1d": (7, 31), "1h": (24, 168), "1m": (60, 1440)}
COST_LIMITS: Limits = {"1d": (7, 31)}
USAGE_FIELDS = {
    "api_key_id": "key", "workspace_id": "project", "model": "model", "service_tier": "tier", "context_window": "",
    "inference_geo": "",
}  # fmt: skip
COST_FIELDS = ("workspace_id", "description")
WINDOW = "0-200k"
TOKEN_TYPES = {
    "input": ("uncached_input_tokens", "Input Tokens"),
    "cache_read": ("cache_read_input_tokens", "Input Tokens, Cache Hit"),
    "cache_write_5m": ("cache_creation.ephemeral_5m_input_tokens", "Input Tokens, Cache Write"),
    "cache_write_1h": ("cache_creation.ephemeral_1h_input_tokens", "Input Tokens, 1h Cache Write"),
    "output": ("output_tokens", "Output Tokens"),
}
DEFAULT_WORKSPACE = "proj_default"


def usage_report(request: Request, world: World) -> Answer:
    """GET /v1/organizations/usage_report/messages"""
    _check(request)
    grouped = _group_by(request, tuple(USAGE_FIELDS))
    found = _found(request, world, USAGE_LIMITS)
    names = sorted({USAGE_FIELDS[name] for name in grouped} - {""})
    rows = {
        start: [_used(fields, charge, grouped) for fields, charge in merged(charges, names)]
        for start, charges in found.buckets.items()
    }
    return _report(rows, found)


def cost_report(request: Request, world: World) -> Answer:
    """GET /v1/organizations/cost_report"""
    _check(request)
    grouped = _group_by(request, COST_FIELDS)
    found = _found(request, world, COST_LIMITS)
    credit = Decimal(str(request.knobs.bill_credit))
    rows = {
        start: [
            *_costs(charges, grouped, request.knobs),
            *([_row(-credit, "Credit", None)] if credit and charges else []),
        ]
        for start, charges in found.buckets.items()
    }
    return _report(rows, found)


def _found(request: Request, world: World, limits: Limits) -> Page:
    start = _moment(request, "starting_at")
    if start is None:
        raise Refused(400, "starting_at: Field required")
    return page(request, world, start, _moment(request, "ending_at"), limits, lambda one: one.provider == "anthropic")


def _used(fields: Mapping[str, str | None], charge: Charge, grouped: list[str]) -> dict[str, Any]:
    tokens = charge.tokens
    return {
        "uncached_input_tokens": tokens["input"],
        "cache_creation": {
            "ephemeral_1h_input_tokens": tokens["cache_write_1h"],
            "ephemeral_5m_input_tokens": tokens["cache_write_5m"],
        },
        "cache_read_input_tokens": tokens["cache_read"],
        "output_tokens": tokens["output"],
        "server_tool_use": {"web_search_requests": 0},
        "api_key_id": fields.get("key"),
        "workspace_id": _workspace(fields.get("project")),
        "model": fields.get("model"),
        "service_tier": fields.get("tier"),
        "context_window": WINDOW if "context_window" in grouped else None,
        "inference_geo": "not_available" if "inference_geo" in grouped else None,
    }


def _costs(charges: list[Charge], grouped: list[str], knobs: Knobs) -> list[dict[str, Any]]:
    names = [
        *(["project"] if "workspace_id" in grouped else []),
        *(["model", "tier"] if "description" in grouped else []),
    ]
    rows = []
    for fields, charge in merged(charges, names):
        workspace = _workspace(fields.get("project"))
        if "description" not in grouped:
            rows.append(_row(rounded(sum(charge.amounts.values(), Decimal(0)), knobs), None, workspace))
            continue
        for item, (token_type, words) in TOKEN_TYPES.items():
            if charge.tokens[item]:
                about = {
                    "model": charge.model, "service_tier": charge.tier, "token_type": token_type, "cost_type": "tokens",
                    "context_window": WINDOW, "inference_geo": "not_available",
                }  # fmt: skip
                rows.append(
                    _row(rounded(charge.amounts[item], knobs), f"{charge.model} Usage - {words}", workspace, about)
                )
    return rows


def _row(
    dollars: Decimal, description: str | None, workspace: str | None, about: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    empty = dict.fromkeys(("model", "service_tier", "token_type", "cost_type", "context_window", "inference_geo"))
    return {
        "currency": "USD",
        "amount": format(dollars * 100, "f"),
        "workspace_id": workspace,
        "description": description,
        **empty,
        **(about or {}),
    }


def _report(rows: Mapping[int, list[dict[str, Any]]], found: Page) -> Answer:
    data = [
        {"starting_at": _written(start), "ending_at": _written(start + found.width), "results": results}
        for start, results in rows.items()
    ]
    return json_answer({"data": data, "has_more": found.next_page is not None, "next_page": found.next_page})


def _check(request: Request) -> None:
    if not request.headers.get("x-api-key", "").startswith(KEY_PREFIX):
        raise Refused(401, "invalid x-api-key")
    if "anthropic-version" not in request.headers:
        raise Refused(400, "anthropic-version: header is required")


def _group_by(request: Request, known: tuple[str, ...]) -> list[str]:
    names = values(request, "group_by")
    if unknown := [name for name in names if name not in known]:
        raise Refused(400, f"group_by: Input should be one of {', '.join(known)}, not {unknown[0]}")
    return names


def _moment(request: Request, name: str) -> int | None:
    said = request.query.get(name)
    if said is None:
        return None
    try:
        moment = datetime.fromisoformat(said.replace("Z", "+00:00"))
    except ValueError:
        raise Refused(400, f"{name}: Input should be a valid datetime") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _workspace(project: str | None) -> str | None:
    return None if project in (None, DEFAULT_WORKSPACE) else project


def _written(start: int) -> str:
    return datetime.fromtimestamp(start, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
