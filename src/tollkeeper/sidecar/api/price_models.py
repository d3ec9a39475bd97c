"""Rows of the price book as the API takes and shows them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from tollkeeper.sidecar.api.answer import moment
from tollkeeper.storage.prices import Kind, PriceVersion, Span

LONGEST_NAME, LONGEST_REASON = 255, 2000

Amount = Annotated[Decimal | None, Field(ge=0)]
State = Literal["current", "scheduled", "past"]


def _per_million(meaning: str, *names: str) -> Any:
    aliases = AliasChoices(*names) if names else None
    return Field(default=None, validation_alias=aliases, description=f"US dollars per million {meaning}.")


class Signed(BaseModel):
    """Why, and where it was found. Who says it is the key's name."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(
        min_length=1, max_length=LONGEST_REASON, validation_alias=AliasChoices("reason", "notes"),
        description="Why, for the audit trail.", examples=["The provider's new price list"],
    )  # fmt: skip
    source: str = Field(default="", max_length=LONGEST_REASON, description="Where the price was found, such as a URL.")

    def signature(self, author: str) -> dict[str, str]:
        """Who, why and from where, as the price book wants it."""
        return {"author": author, "reason": self.reason, "source": self.source}


class RowFields(BaseModel):
    """What a row says: prices of a model, or what else a name is, or a discount. Names are globs, `*` if left out."""

    provider: str | None = Field(default=None, max_length=LONGEST_NAME, examples=["openai"])
    model: str | None = Field(default=None, max_length=LONGEST_NAME, examples=["gpt-4o-*"])
    valid_from: str | None = Field(
        default=None, max_length=40, description="A day (UTC) or a moment; now, if left out.", examples=["2026-02-01"]
    )
    valid_to: str | None = Field(
        default=None, max_length=40, description="A day, included whole, or a moment, not included."
    )
    context: dict[str, str] | None = Field(default=None, description='Only for such calls: {"service_tier": "flex"}.')
    free: bool | None = Field(default=None, description="It costs nothing, and somebody says so.")
    input: Amount = _per_million("input tokens", "input", "prompt_price_per_1m")
    output: Amount = _per_million("output tokens", "output", "completion_price_per_1m")
    input_audio: Amount = _per_million("tokens of audio input")
    input_image: Amount = _per_million("tokens of image input")
    input_video: Amount = _per_million("tokens of video input")
    cache_read: Amount = _per_million("tokens read from a cache")
    cache_read_audio: Amount = _per_million("tokens of audio read from a cache")
    cache_read_image: Amount = _per_million("tokens of images read from a cache")
    cache_write: Amount = _per_million("tokens written to a cache")
    cache_write_1h: Amount = _per_million("tokens written to a cache for an hour")
    output_audio: Amount = _per_million("tokens of audio output")
    output_image: Amount = _per_million("tokens of image output")
    reasoning: Amount = _per_million("tokens of reasoning; the output's, if left out")
    per_request: Amount = Field(default=None, description="US dollars a request.")
    per_search: Amount = Field(default=None, description="US dollars a web search.")
    per_second: Amount = Field(default=None, description="US dollars a second of audio input.")
    per_image: Amount = Field(default=None, description="US dollars an image.")
    per_1k_characters: Amount = Field(default=None, description="US dollars per 1,000 characters of input.")
    is_: str | None = Field(
        default=None, alias="is", max_length=LONGEST_NAME, description="Alias: the model that it is."
    )
    is_provider: str | None = Field(
        default=None, max_length=LONGEST_NAME, description="Alias: whose price list applies, if somebody else's."
    )
    percent: Annotated[Decimal | None, Field(ge=0, le=100)] = Field(default=None, description="Discount: percent off.")
    tenant: str | None = Field(
        default=None, max_length=LONGEST_NAME, description="Discount: only for this tenant's calls."
    )

    def said(self) -> dict[str, Any]:
        """The fields that were given; null takes one away."""
        return self.model_dump(by_alias=True, exclude_unset=True, include=set(RowFields.model_fields))


class PriceFields(RowFields, Signed):
    """What a row says, why, and where it was found."""


class NewPrice(PriceFields):
    """A new row."""

    kind: Kind = Field(default="price", description="price, alias or discount.")


class Withdrawal(Signed):
    """The end of a row."""

    at: str | None = Field(default=None, max_length=40, description="A day (UTC) or a moment; now, if left out.")


class Price(BaseModel):
    """What one version of a row says. A row is what all its versions are about."""

    row: int = Field(description="The number by which the row is changed.", examples=[3])
    version: int = Field(description="The number of this statement; for `If-Match`.", examples=[12])
    kind: Kind
    provider: str = Field(description="A glob.", examples=["openai"])
    model: str = Field(description="A glob.", examples=["gpt-4o-*"])
    tenant: str | None
    content: dict[str, Any] = Field(
        description="As in a price file; amounts are exact texts, per million tokens unless they say otherwise.",
        examples=[{"provider": "openai", "model": "gpt-4o-*", "input": "2.5", "output": "10"}],
    )
    withdrawn: bool = Field(description="It says that nothing holds.")
    valid_from: datetime | None = Field(description="Null: always has.")
    valid_to: datetime | None = Field(description="Not included. Null: for ever.")
    recorded_at: datetime
    author: str
    reason: str
    source: str
    replaces: int | None = Field(description="The version that held before.")


class HeldPrice(Price):
    """A price, and the time in which it holds: later versions may have left less of it."""

    state: State


class PriceList(BaseModel):
    """Rows of the price book; of several that are about a call, the first wins."""

    revision: int = Field(description="Greater after each change of the book.")
    prices: list[HeldPrice]


class History(BaseModel):
    """Everything that was said, newest first."""

    versions: list[Price]
    next_cursor: str | None


def price_of(version: PriceVersion) -> Price:
    """A version as it is shown."""
    return Price(**_shown(version, version.valid_from, version.valid_to))


def held_price(span: Span, at: int) -> HeldPrice:
    """What holds, as it is shown."""
    state: State = "current" if span.holds(at) else "scheduled" if span.valid_from > at else "past"
    return HeldPrice(**_shown(span.version, span.valid_from, span.valid_to), state=state)


def _shown(version: PriceVersion, start: int, end: int | None) -> Mapping[str, Any]:
    return {
        "row": version.row,
        "version": version.id,
        "kind": version.kind,
        "provider": version.content["provider"],
        "model": version.content["model"],
        "tenant": version.content.get("tenant"),
        "content": dict(version.content),
        "withdrawn": version.withdrawn,
        "valid_from": moment(start) if start > 0 else None,
        "valid_to": None if end is None else moment(end),
        "recorded_at": moment(version.recorded_at),
        "author": version.author,
        "reason": version.reason,
        "source": version.source,
        "replaces": version.replaces,
    }
