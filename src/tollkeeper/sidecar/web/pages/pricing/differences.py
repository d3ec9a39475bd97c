"""What is in force beside what is to be: a line for each price."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from tollkeeper.client.records import EffectivePrice, HeldPrice
from tollkeeper.sidecar.web.formats import UNKNOWN, Formats
from tollkeeper.sidecar.web.pages.pricing.draft import Draft
from tollkeeper.sidecar.web.pages.pricing.meters import METERS, Meter, Unit, as_shown, scaled

NO_PRICE = "no price"


class Line(NamedTuple):
    """`words` of what, `before` and `after`; by how much it changes, where both are amounts.

    `is_worse`: it costs more, or has no price any more.
    """

    words: str
    before: str
    after: str
    change: str = ""
    is_worse: bool = False

    @property
    def is_changed(self) -> bool:
        return self.before != self.after


def difference(
    formats: Formats, before: EffectivePrice | None, held: HeldPrice | None, meant: EffectivePrice | None, draft: Draft
) -> list[Line]:
    """Of a draft that can be understood. `meant` is the price of the model that an alias stands for."""
    said = draft.fields()
    if draft.kind == "price":
        return from_effective(formats, before, said, draft.per)
    old = {} if held is None else held.content
    if draft.kind == "discount":
        was = old.get("percent")
        return [Line("Off", f"{was} %" if was else "nothing", f"{said['percent']:f} %")]
    costs = _prices(formats, _now(before, draft.per), _now(meant, draft.per), before)
    return [Line("Costs what this model does", str(old.get("is", "no other")), str(said["is"])), *costs]


def from_effective(
    formats: Formats, before: EffectivePrice | None, content: Mapping[str, object], per: Unit
) -> list[Line]:
    """What a model costs, whoever says so, beside what a price row says."""
    return list(_prices(formats, _now(before, per), _then(content, per), before))


def between(formats: Formats, kind: str, old: Mapping[str, object], new: Mapping[str, object], per: Unit) -> list[Line]:
    """What two versions of a row say."""
    if kind == "price":
        lines = _prices(formats, _then(old, per), _then(new, per), None)
        return [line if old else line._replace(before=UNKNOWN) for line in lines if line.is_changed]
    names = {"percent": ("Off", " %"), "is": ("Stands for", ""), "is_provider": ("Priced as of", "")}
    others = (Line(words, _text(old.get(key), unit), _text(new.get(key), unit)) for key, (words, unit) in names.items())
    return [line for line in others if line.is_changed]


def _text(value: object, unit: str) -> str:
    return f"{value}{unit}" if value else UNKNOWN


def _now(price: EffectivePrice | None, per: Unit) -> dict[str, Decimal]:
    rates = price.bands[0].unit_prices if price is not None else {}
    return {meter.field: scaled(meter, rates[meter.rate], per) for meter in METERS if meter.rate in rates}


def _then(content: Mapping[str, object], per: Unit) -> dict[str, Decimal]:
    """What the price book makes of it: what has no price of its own has that of something more general."""
    if content.get("free"):
        return {"input": Decimal(0), "output": Decimal(0)}
    said = {
        meter.field: as_shown(meter, Decimal(str(content[meter.field])), per)
        for meter in METERS if content.get(meter.field) is not None
    }  # fmt: skip
    for meter in METERS:
        general = next((said[name] for name in meter.instead if name in said), None)
        if general is not None:
            said.setdefault(meter.field, general)
    return said


def _prices(
    formats: Formats, old: Mapping[str, Decimal], new: Mapping[str, Decimal], before: EffectivePrice | None
) -> Iterator[Line]:
    for meter in METERS:
        was, will = old.get(meter.field), new.get(meter.field)
        if (was, will) == (None, None) or _is_general(meter, old, was) and _is_general(meter, new, will):
            continue
        before_it, after_it = (NO_PRICE if price is None else formats.usd_price(price) for price in (was, will))
        is_lost = bool(new) and was is not None and will is None
        is_dearer = was is not None and will is not None and will > was
        yield Line(
            meter.words, before_it, after_it, "lost" if is_lost else formats.change(will, was), is_lost or is_dearer
        )
    if before is not None and len(before.bands) > 1:
        above = formats.short(before.bands[1].above_input_tokens)
        yield Line("Long inputs", f"dearer above {above} tokens", "the same price", "lost", is_worse=True)


def _is_general(meter: Meter, prices: Mapping[str, Decimal], price: Decimal | None) -> bool:
    return price == next((prices[name] for name in meter.instead if name in prices), None)
