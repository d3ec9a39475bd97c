"""What a source of invoices is, and what can go wrong with one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from tollkeeper.insight.reconcile.account import Account, Kind
from tollkeeper.insight.reconcile.line import InvoiceLine

LARGEST_COUNT = 10**15


class InvoiceError(Exception):
    """Figures could not be got. The message says from where, and what can be done; it shows no key."""


class SourceUnavailable(InvoiceError):
    """It does not answer, or has no time: to be tried again later."""


class SourceRefused(InvoiceError):
    """It does not take the key, or the question."""


class SourceMalformed(InvoiceError):
    """It answers with something else than is documented. Nothing of the answer is kept."""


Parameters = Sequence[tuple[str, str]]


class Asker(NamedTuple):
    """How one account is asked: `get` a path with parameters, and have its JSON, numbers with a point as `Decimal`."""

    account: Account
    get: Callable[[str, Parameters], Any]


class Source(NamedTuple):
    """`headers` are those that carry the key. `fetch` has the lines of the days from the first to the last."""

    kind: Kind
    headers: Callable[[str], Mapping[str, str]]
    fetch: Callable[[Asker, date, date], list[InvoiceLine]]


def field(row: object, name: str, kind: type | tuple[type, ...], where: str) -> Any:
    """A field that has to be there. Raises `SourceMalformed`."""
    value = row.get(name) if isinstance(row, Mapping) else None
    if isinstance(value, kind) and not isinstance(value, bool):
        return value
    wanted = " or ".join(each.__name__ for each in (kind if isinstance(kind, tuple) else (kind,)))
    raise SourceMalformed(f"{where}: {name} is {value!r:.80}; expected a {wanted}")


def rows(bucket: object, where: str) -> list[Mapping[str, Any]]:
    """The `results` of a bucket. Raises `SourceMalformed` for what are no objects."""
    found = field(bucket, "results", list, where)
    for row in found:
        if not isinstance(row, Mapping):
            raise SourceMalformed(f"{where}: {row!r:.80} is in results; expected objects")
    return list(found)


def count(row: Mapping[str, Any], name: str, where: str) -> int:
    """A count; one that is not told is none."""
    value = row.get(name)
    if value is None:
        return 0
    # An exponent may be so large that nobody could write the number down.
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= LARGEST_COUNT or value != int(value):
        raise SourceMalformed(f"{where}: {name} is {value!r:.80}; expected a whole number that is not negative")
    return int(value)


def amount(value: object, where: str) -> Decimal:
    """An amount, which may be a number or a text, exactly as it is told."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
            raise InvalidOperation
        found = Decimal(value)
    except InvalidOperation:
        raise SourceMalformed(f"{where}: {value!r:.80} is no amount; expected a decimal number") from None
    if not found.is_finite() or abs(found) > 10**12:
        raise SourceMalformed(f"{where}: {value!r:.80} is no amount; expected one below a trillion")
    return found


def name_of(row: Mapping[str, Any], name: str) -> str:
    """A text; one that is not told is empty."""
    value = row.get(name)
    return value if isinstance(value, str) else ""
