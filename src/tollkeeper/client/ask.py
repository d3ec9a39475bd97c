"""A question to the API before it is sent, and its answer before it is read: everything but the sending."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

from tollkeeper.client.errors import ApiError, error_of
from tollkeeper.client.reading import read

T = TypeVar("T")

PREFIX = "/api/v1"


@dataclass(frozen=True, slots=True)
class Ask(Generic[T]):
    """One request. `answer` makes of the body what the caller gets; of a file, the body as it came."""

    method: str
    path: str
    answer: Callable[[Any], T]
    query: Sequence[tuple[str, str]] = ()
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    is_file: bool = False

    @property
    def target(self) -> str:
        return f"{PREFIX}{self.path}"

    def content(self) -> bytes | None:
        """The body as it is sent."""
        return None if self.body is None else json.dumps(self.body, default=_written).encode()

    def understand(self, status: int, headers: Mapping[str, str], content: bytes) -> T:
        """What the caller gets. Raises `ApiError` for everything that is no answer to the question."""
        if self.is_file and status < 400:
            return self.answer(content)
        try:
            found = json.loads(content, parse_float=Decimal) if content else None
        except ValueError:
            found = None
            if status < 400:
                raise ApiError(status, f"the answer to {self.target} is not JSON: is this a Tollkeeper?") from None
        if status >= 400:
            raise error_of(status, headers, found)
        try:
            return self.answer(found)
        except (TypeError, ValueError, LookupError, ArithmeticError) as error:
            raise ApiError(status, f"the answer to {self.target} is of another version: {error}") from error


def reader(kind: type[T]) -> Callable[[Any], T]:
    """Reads a body as an answer of this kind."""

    def answer(body: Any) -> T:
        found: T = read(kind, body)
        return found

    return answer


def query_of(given: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Arguments as query parameters: those that were given, lists as repetitions."""
    pairs: list[tuple[str, str]] = []
    for name, value in given.items():
        several = value if isinstance(value, list | tuple | set | frozenset) else [value]
        pairs += [(name, _text(each)) for each in several if each is not None]
    return tuple(pairs)


def body_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as a body: those that were given."""
    return {name: value for name, value in given.items() if value is not None}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def _written(value: Any) -> str:
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"{value!r} cannot be sent")
