"""The questions about prices, keys and the audit trail. Each function here is a method of both clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, Unpack
from urllib.parse import quote

from tollkeeper.client.ask import Ask, body_of, query_of, reader
from tollkeeper.client.keywords import Range, Selection, When, listed, spelled_out
from tollkeeper.client.records import (
    Audit,
    CreatedKey,
    EffectivePrice,
    Key,
    Keys,
    ModelPrices,
    Price,
    PriceHistory,
    PriceList,
    PricePreview,
    Repriced,
    Settings,
    Soundness,
    Unpriced,
)

Kind = Literal["price", "alias", "discount"]
State = Literal["current", "scheduled", "past"]
Scope = Literal["read", "write", "edit", "admin"]
Fields = Mapping[str, Any]
"""As in a row of a price file: `{"input": "2.5", "output": "10"}`; amounts as texts or `Decimal`."""


def prices(
    *,
    kind: Kind | None = None,
    provider: str | None = None,
    model: str | None = None,
    tenant: str | None = None,
    search: str | None = None,
    state: State | Sequence[State] = (),
    at: When | None = None,
    known_at: When | None = None,
) -> Ask[PriceList]:
    """Rows of the price book that hold now or later; of several that are about a call, the first wins."""
    return Ask("GET", "/prices", reader(PriceList), query_of(locals()))


def price(row: int) -> Ask[PriceList]:
    """What one row of the price book says: what held, holds, and will hold."""
    return Ask("GET", f"/prices/{row}", reader(PriceList))


def price_history(
    *,
    row: int | None = None,
    kind: Kind | None = None,
    provider: str | None = None,
    model: str | None = None,
    tenant: str | None = None,
    cursor: str | None = None,
    limit: int | None = None,
) -> Ask[PriceHistory]:
    """Everything that was ever said about prices, newest first."""
    return Ask("GET", "/prices/history", reader(PriceHistory), query_of(locals()))


def effective_price(
    provider: str,
    model: str,
    *,
    tenant: str | None = None,
    at: When | None = None,
    address: str | None = None,
    context: Sequence[str] = (),
) -> Ask[EffectivePrice]:
    """What a model costs at a moment (now): unit prices, and where they come from. `NotFound` where nobody knows.

    `context` is what the price depends on besides, such as `["service_tier=flex"]`.
    """
    return Ask("GET", "/prices/effective", reader(EffectivePrice), query_of(locals()))


@spelled_out
def model_prices(
    *,
    search: str | None = None,
    provider: str | None = None,
    source: Literal["own", "contract", "catalog"] | None = None,
    cursor: str | None = None,
    limit: int | None = None,
    **when: Unpack[Range],
) -> Ask[ModelPrices]:
    """What models cost now: the catalogue's, one's own, and all that were called in a range, those first."""
    about = {"search": search, "provider": provider, "source": source, "cursor": cursor, "limit": limit}
    return Ask("GET", "/prices/models", reader(ModelPrices), query_of({**about, **when}))


@spelled_out
def preview_price(
    fields: Fields,
    *,
    kind: Kind = "price",
    row: int | None = None,
    valid_from: When | None = None,
    valid_to: When | None = None,
    with_calls: bool | None = None,
    **when: Unpack[Range],
) -> Ask[PricePreview]:
    """What the calls of a range would cost if a row said this, since `valid_from` or always. Nothing is written.

    With `with_calls=False`, none is priced: it only says whether this can be said, and how it would be kept.
    """
    about = {"kind": kind, "row": row, "valid_from": valid_from, "valid_to": valid_to}
    said = {**about, "with_calls": with_calls, **when}
    return Ask("POST", "/prices/preview", reader(PricePreview), body={**_texts(fields), **body_of(said)})


@spelled_out
def unpriced(**when: Unpack[Range]) -> Ask[Unpriced]:
    """Models that were called and have no price."""
    return Ask("GET", "/prices/unpriced", reader(Unpriced), query_of(when))


def add_price(
    fields: Fields,
    *,
    reason: str,
    kind: Kind = "price",
    source: str | None = None,
    valid_from: When | None = None,
    valid_to: When | None = None,
) -> Ask[Price]:
    """A new row of the price book, from now on or from `valid_from`."""
    said = {"kind": kind, "reason": reason, "source": source, "valid_from": valid_from, "valid_to": valid_to}
    return Ask("POST", "/prices", reader(Price), body={**_texts(fields), **body_of(said)})


def change_price(
    row: int,
    fields: Fields,
    *,
    reason: str,
    source: str | None = None,
    valid_from: When | None = None,
    valid_to: When | None = None,
    expected: int | None = None,
) -> Ask[Price]:
    """Set fields of a row, `None` takes one away; `Outdated` if it is not at the version `expected` any more."""
    said = {"reason": reason, "source": source, "valid_from": valid_from, "valid_to": valid_to}
    body = {**_texts(fields), **body_of(said)}
    return Ask("PATCH", f"/prices/{row}", reader(Price), body=body, headers=_matching(expected))


def schedule_price(
    row: int,
    fields: Fields,
    *,
    valid_from: When,
    reason: str,
    source: str | None = None,
    valid_to: When | None = None,
    expected: int | None = None,
) -> Ask[Price]:
    """Set fields of a row at a moment that is yet to come."""
    said = {"reason": reason, "source": source, "valid_from": valid_from, "valid_to": valid_to}
    body = {**_texts(fields), **body_of(said)}
    return Ask("POST", f"/prices/{row}/schedule", reader(Price), body=body, headers=_matching(expected))


def withdraw_price(
    row: int, *, reason: str, source: str | None = None, at: When | None = None, expected: int | None = None
) -> Ask[Price]:
    """End a row, now or at a moment; `Outdated` if it is not at the version `expected` any more."""
    body = body_of({"reason": reason, "source": source, "at": at})
    return Ask("POST", f"/prices/{row}/withdraw", reader(Price), body=body, headers=_matching(expected))


def cancel_price(version: int, *, reason: str, source: str | None = None) -> Ask[Price]:
    """Undo a change or a withdrawal that is scheduled."""
    body = body_of({"reason": reason, "source": source})
    return Ask("POST", f"/prices/versions/{version}/cancel", reader(Price), body=body)


@spelled_out
def reprice(
    *, apply: bool = False, plan: str | None = None, reason: str | None = None, **selection: Unpack[Selection]
) -> Ask[Repriced]:
    """What a period costs by the prices as they are now: a dry run, unless `apply` is true and a `reason` given.

    `plan` is the one of a dry run: `Outdated` if prices have changed since.
    """
    body = body_of({"apply": apply, "plan": plan, "reason": reason, **listed(selection)})
    return Ask("POST", "/prices/reprice", reader(Repriced), body=body)


@spelled_out
def audit(
    *,
    author: str | None = None,
    action: str | None = None,
    kind: str | None = None,
    object_id: str | None = None,
    cursor: str | None = None,
    limit: int | None = None,
    **when: Unpack[Range],
) -> Ask[Audit]:
    """Who changed what, newest first."""
    about = {"author": author, "action": action, "kind": kind, "object_id": object_id}
    return Ask("GET", "/audit", reader(Audit), query_of({**about, "cursor": cursor, "limit": limit, **when}))


def verify_audit() -> Ask[Soundness]:
    """Whether the audit trail is as it was written."""
    return Ask("GET", "/audit/verification", reader(Soundness))


def settings() -> Ask[Settings]:
    """The options of the sidecar as they are in force, and where each was set; secrets are `…`."""
    return Ask("GET", "/settings", reader(Settings))


def keys() -> Ask[Keys]:
    """All keys, newest first, without what they open the door with."""
    return Ask("GET", "/keys", reader(Keys))


def create_key(
    name: str,
    scopes: Scope | Sequence[Scope] = ("read",),
    *,
    expires_in_days: int | None = None,
    reason: str | None = None,
) -> Ask[CreatedKey]:
    """A new key; the answer has its text, which cannot be shown again."""
    wanted = [scopes] if isinstance(scopes, str) else list(scopes)
    body = body_of({"name": name, "scopes": wanted, "expires_in_days": expires_in_days, "reason": reason})
    return Ask("POST", "/keys", reader(CreatedKey), body=body)


def revoke_key(prefix: str, *, reason: str | None = None) -> Ask[Key]:
    """Make a key useless, at once and for ever."""
    return Ask("DELETE", f"/keys/{quote(prefix, safe='')}", reader(Key), query_of({"reason": reason}))


def _texts(fields: Fields) -> dict[str, Any]:
    """Amounts as texts: a float of JSON is not exact."""
    return {name: format(value, "f") if isinstance(value, Decimal) else value for name, value in fields.items()}


def _matching(expected: int | None) -> dict[str, str]:
    return {} if expected is None else {"If-Match": f'"{expected}"'}
