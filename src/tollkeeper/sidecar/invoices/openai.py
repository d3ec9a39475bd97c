"""OpenAI's organisation usage and costs APIs.

Source: OpenAI's API reference, Administration, "Usage" and "Costs", and the types of its Python SDK (3.52): an admin
key as a bearer, buckets of UTC days, pages by `next_page`, at most 31 buckets of usage and 180 of costs. Money is in
dollars, as a number or as a decimal text of up to 50 places; costs are what agrees with the invoice, and line items
read `MODEL, input`, `MODEL, cached input`, `MODEL, output`. Cached tokens are part of `input_tokens`. "The data may be
delayed"; days are of UTC.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from tollkeeper.insight.reconcile.line import InvoiceLine, Item, Tier, tier_of
from tollkeeper.insight.reconcile.names import family
from tollkeeper.sidecar.invoices.contract import (
    Asker,
    Parameters,
    Source,
    SourceMalformed,
    amount,
    count,
    field,
    name_of,
    rows,
)

DAY = 86_400
MOST_USAGE_DAYS, MOST_COST_DAYS = 31, 180
MOST_PAGES = 1000


class Usage(NamedTuple):
    """One of the usage APIs: what its rows may be grouped by, and whether it counts tokens."""

    name: str
    group_by: tuple[str, ...] = ("model", "project_id", "api_key_id")
    tokens: bool = False


USAGES = (
    Usage("completions", ("model", "project_id", "api_key_id", "batch", "service_tier"), tokens=True),
    Usage("embeddings", tokens=True),
    Usage("moderations", tokens=True),
    Usage("images"),
    Usage("audio_speeches"),
    Usage("audio_transcriptions"),
)
COST_GROUPS = ("line_item", "project_id", "api_key_id")
UNITS: Mapping[Any, int] = {None: 1, "tokens": 1, "1000_tokens": 1000}

ITEMS: Mapping[str, Item] = {
    "input": "input", "text input": "input", "cached input": "cache_read", "input cached": "cache_read",
    "cached text input": "cache_read", "cache write": "cache_write", "input cache write": "cache_write",
    "output": "output", "text output": "output",
}  # fmt: skip
"""Words of line items, in small letters, without `tokens` and the tariff."""


def _headers(key: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {key}"}


def fetch(ask: Asker, first: date, last: date) -> list[InvoiceLine]:
    """Usage and costs of these days, both included."""
    lines = [
        line
        for usage in USAGES
        for day, row in _rows(ask, f"/organization/usage/{usage.name}", usage.group_by, first, last, MOST_USAGE_DAYS)
        for line in _used(ask, usage, day, row)
    ]
    models = {family(line.model) for line in lines if line.model}
    costs = _rows(ask, "/organization/costs", COST_GROUPS, first, last, MOST_COST_DAYS)
    return lines + [_cost(ask, day, row, models) for day, row in costs]


def _rows(
    ask: Asker, path: str, group_by: Sequence[str], first: date, last: date, most: int
) -> Iterator[tuple[date, Mapping[str, Any]]]:
    days = (last - first).days + 1
    asked: list[tuple[str, str]] = [
        ("start_time", str(_seconds(first))),
        ("end_time", str(_seconds(last + timedelta(days=1)))),
        ("bucket_width", "1d"),
        ("limit", str(min(days, most))),
        *(("group_by[]", name) for name in group_by),
    ]
    for page in pages(ask, path, asked):
        for bucket in field(page, "data", list, path):
            day = _day(field(bucket, "start_time", int, path), path)
            for row in rows(bucket, f"{path} of {day}"):
                if first <= day <= last:
                    yield day, row


def _day(start: int, path: str) -> date:
    try:
        return datetime.fromtimestamp(start, UTC).date()
    except (ValueError, OverflowError, OSError):
        raise SourceMalformed(f"{path}: start_time is {start!r:.40}; expected seconds since the epoch") from None


def pages(ask: Asker, path: str, asked: Parameters) -> Iterator[Mapping[str, Any]]:
    """Each page of a list that names its next one. Raises `SourceMalformed` for one that never ends."""
    seen: set[str] = set()
    more: list[tuple[str, str]] = []
    for _ in range(MOST_PAGES):
        page = ask.get(path, [*asked, *more])
        if not isinstance(page, Mapping):
            raise SourceMalformed(f"{path}: the answer is no object")
        yield page
        following = page.get("next_page")
        if not page.get("has_more") or following is None:
            return
        if not isinstance(following, str) or following in seen:
            break
        seen.add(following)
        more = [("page", following)]
    raise SourceMalformed(f"{path}: its pages have no end: the same next_page comes again")


def _used(ask: Asker, usage: Usage, day: date, row: Mapping[str, Any]) -> Iterator[InvoiceLine]:
    where = f"{ask.account.name}: usage of {usage.name} of {day}"
    tier: Tier = "batch" if row.get("batch") is True else tier_of(row.get("service_tier"))
    about = InvoiceLine(
        ask.account.name, ask.account.provider, day, "usage", name_of(row, "model"), tier=tier,
        project=name_of(row, "project_id"), key=name_of(row, "api_key_id"), label=usage.name, raw=row,
    )  # fmt: skip
    yield about._replace(item="requests", requests=count(row, "num_model_requests", where))
    if not usage.tokens:
        return
    whole, cached = count(row, "input_tokens", where), count(row, "input_cached_tokens", where)
    written = count(row, "input_cache_write_tokens", where)
    if cached + written > whole:
        raise SourceMalformed(f"{where}: {cached} cached of {whole} input tokens; expected no more than all")
    yield about._replace(item="input", tokens=whole - cached - written)
    yield about._replace(item="cache_read", tokens=cached)
    if written:
        yield about._replace(item="cache_write", tokens=written)
    yield about._replace(item="output", tokens=count(row, "output_tokens", where))


def _cost(ask: Asker, day: date, row: Mapping[str, Any], models: set[str]) -> InvoiceLine:
    where = f"{ask.account.name}: costs of {day}"
    money = field(row, "amount", Mapping, where)
    if str(money.get("currency", "")).lower() != "usd":
        raise SourceMalformed(f"{where}: the currency is {money.get('currency')!r}; expected usd")
    said = name_of(row, "line_item")
    model, item, tier = line_item(said, models)
    counted = item not in ("total", "other", "credit")
    found = amount(money.get("value"), where)
    return InvoiceLine(
        ask.account.name, ask.account.provider, day, "cost", model, "credit" if found < 0 and not model else item,
        tokens=_tokens(row, where) if counted else None, amount=found, tier=tier,
        project=name_of(row, "project_id"), key=name_of(row, "api_key_id"), label=said, raw=row,
    )  # fmt: skip


def _tokens(row: Mapping[str, Any], where: str) -> int | None:
    """What the money is for, where that is tokens."""
    unit = row.get("quantity_unit")
    size = UNITS.get(unit) if isinstance(unit, str | None) else None
    if size is None or row.get("quantity") is None:
        return None
    tokens = amount(row["quantity"], where) * size
    return int(tokens) if tokens == int(tokens) else None


def line_item(said: str, models: set[str]) -> tuple[str, Item, Tier]:
    """The model of a line item, what of it, and in which tariff; an empty model: of none that is known."""
    model, separator, rest = said.partition(",")
    if not separator:
        return (said, "total", "") if said and family(said) in models else ("", "other", "")
    words = rest.lower().replace("_", " ").replace(",", " ").split()
    tariffs: list[Tier] = [found for word in words if (found := tier_of(word)) not in ("", "standard")]
    left = " ".join(word for word in words if not tier_of(word) and word not in ("tokens", "token"))
    return model.strip(), ITEMS.get(left, "other"), tariffs[0] if tariffs else ""


def _seconds(day: date) -> int:
    return (day - date(1970, 1, 1)).days * DAY


SOURCE = Source("openai", _headers, fetch)
