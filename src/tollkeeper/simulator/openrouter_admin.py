"""OpenRouter's activity, of the calls that were made here.

As documented (GET /api/v1/activity): a row for each day of UTC and model endpoint, of the last 30 days that are over;
`usage` is in dollars of credit. Input is one count, whatever a cache had of it.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tollkeeper.simulator.bill import DAY, INPUT_ITEMS, Charge, as_number, bill, merged, rounded
from tollkeeper.simulator.exchange import Answer, Refused, Request, json_answer
from tollkeeper.simulator.knobs import Knobs
from tollkeeper.simulator.world import World

KEPT_DAYS = 30
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def activity(request: Request, world: World) -> Answer:
    """GET /api/v1/activity"""
    if not request.headers.get("authorization", "").removeprefix("Bearer "):
        raise Refused(401, "Missing Authentication header")
    today = world.now() // DAY * DAY
    days = [today - number * DAY for number in range(1, KEPT_DAYS + 1)]
    if (said := request.query.get("date")) is not None:
        days = [_day(said, days)]
    charges = [
        charge
        for charge in bill(world.meter.uses(), request.knobs, world.now())
        if charge.provider == "openrouter" and charge.start in days
    ]
    rows = [
        _row(day, charge, request.knobs)
        for day in days
        for _, charge in merged([one for one in charges if one.start == day], ["model"])
    ]
    return json_answer({"data": rows})


def _day(said: str, days: list[int]) -> int:
    try:
        if not DATE.fullmatch(said):
            raise ValueError(said)
        day = int(datetime.strptime(said, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise Refused(400, "Invalid date format. Expected YYYY-MM-DD") from None
    if day not in days:
        raise Refused(400, f"Date must be within the last {KEPT_DAYS} (completed) UTC days")
    return day


def _row(day: int, charge: Charge, knobs: Knobs) -> dict[str, Any]:
    digest = hashlib.blake2b(charge.model.encode(), digest_size=16).hexdigest()
    return {
        "date": datetime.fromtimestamp(day, UTC).strftime("%Y-%m-%d"),
        "model": charge.model,
        "model_permaslug": charge.model,
        "endpoint_id": f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}",
        "provider_name": "Simulator",
        "usage": as_number(rounded(sum(charge.amounts.values(), Decimal(0)), knobs)),
        "byok_usage_inference": 0,
        "requests": charge.requests,
        "prompt_tokens": sum(charge.tokens[item] for item in INPUT_ITEMS),
        "completion_tokens": charge.tokens["output"],
        "reasoning_tokens": 0,
    }
