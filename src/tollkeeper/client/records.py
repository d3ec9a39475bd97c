"""What the API answers about prices, keys and the audit trail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one version of a row of the price book says; `content` is as in a price file, amounts as exact texts."""

    row: int
    version: int
    kind: str
    provider: str
    model: str
    tenant: str | None
    content: dict[str, Any]
    withdrawn: bool
    valid_from: datetime | None
    valid_to: datetime | None
    recorded_at: datetime
    author: str
    reason: str
    source: str
    replaces: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPrice(Price):
    """A price and the time in which it holds; `state` is current, scheduled or past."""

    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """Rows of the price book; of several that are about a call, the first wins."""

    revision: int
    prices: list[HeldPrice]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceHistory:
    """Everything that was said, newest first."""

    versions: list[Price]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """US dollars a unit, by meter, of the calls with more than so many input tokens in all."""

    above_input_tokens: int
    unit_prices: dict[str, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectivePrice:
    """What a model costs at a moment, and who says so: `version`, and the rows of the price book that it names."""

    provider: str
    model: str
    tenant: str | None
    at: datetime
    source: str
    version: str
    free: bool
    bands: list[Band]
    rows: list[HeldPrice]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPrice:
    """What a model costs now. `source` is own, contract or catalog; without a price it is `None`, and `reason` why."""

    provider: str
    model: str
    source: str | None
    version: str | None
    free: bool
    bands: list[Band]
    reason: str | None
    valid_from: datetime | None
    rows: list[HeldPrice]
    calls: int
    cost: Decimal | None
    cost_nano_usd: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPrices:
    """Models, those first that were called most; `total` is how many fit, unless a source was asked for."""

    models: list[ModelPrice]
    total: int | None
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelName:
    """A model of somebody's."""

    provider: str
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpricedModel:
    """A model that was called and has no price. `reason` is why; `None` where it would have one by now.

    `near` is a model of the price lists whose name is like it: a guess, to be looked at.
    """

    provider: str
    model: str
    calls: int
    tokens: int | None
    first_seen: datetime
    last_seen: datetime
    reason: str | None
    near: ModelName | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpriced:
    """Models without a price, the most called first."""

    models: list[UnpricedModel]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One entry of the audit trail."""

    id: int
    at: datetime
    author: str
    action: str
    kind: str
    object_id: str
    before: Any
    after: Any
    reason: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """A page of the audit trail, newest first."""

    changes: list[Change]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Soundness:
    """Whether the audit trail is as it was written."""

    sound: bool
    entries: int
    head: str
    broken_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """An option of the sidecar; `set_by` is where it was set, `None` for a default. Secrets are `…`."""

    name: str
    value: Any
    is_default: bool
    is_secret: bool
    set_by: str | None
    variable: str | None
    flag: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The options of the sidecar, as they are in force."""

    settings: list[Setting]


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key to the API, without what it opens the door with."""

    prefix: str
    name: str
    scopes: list[str]
    active: bool
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedKey(Key):
    """A new key; `key` is its text, shown this once."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """All keys, newest first."""

    keys: list[Key]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceChange:
    """What pricing some calls again changes. Calls without a price are in no sum of money."""

    provider: str
    model: str
    tenant: str
    calls: int
    changed_calls: int
    old_cost: Decimal | None
    old_cost_nano_usd: int | None
    new_cost: Decimal | None
    new_cost_nano_usd: int | None
    delta: Decimal | None
    delta_nano_usd: int | None
    old_unpriced_calls: int
    new_unpriced_calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Repriced:
    """A period, priced again; `adjusted_calls` is `None` for a dry run."""

    plan: str
    start: datetime
    end: datetime
    revision: int
    applied: bool
    adjusted_calls: int | None
    total: PriceChange | None
    changes: list[PriceChange]


@dataclass(frozen=True, slots=True, kw_only=True)
class PricePreview:
    """What a row would say, and what calls would cost by it; `total` is `None` where nothing would change."""

    kind: str
    content: dict[str, Any]
    valid_from: datetime | None
    valid_to: datetime | None
    start: datetime
    end: datetime
    total: PriceChange | None
    changes: list[PriceChange]
