"""What a simulated provider can be told to do: how slow, in how many pieces, and what to get wrong.

The same knobs are constructor options (`Simulator(chunk_delay=0.01)`), flags (`--chunk-delay 0.01`), and, for one
request, the header `X-Simulator: chunk-delay=0.01,drop=3`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Knobs:
    """How one request is answered. Times are in seconds, rates are shares of one."""

    latency: float = 0.0
    """Waited before the answer begins."""
    chunk_delay: float = 0.0
    """Waited between two events of a stream."""
    chunks: int | None = None
    """Into how many pieces a stream cuts its text; `None`: one for every 16 characters."""
    status: int | None = None
    """Answer with this error instead; 0 hangs up without a word."""
    retry_after: float = 1.0
    """What the `retry-after` header of a 429, 503 or 529 says."""
    drop: int | None = None
    """Cut the connection after this many events of a stream."""
    stall: int | None = None
    """Send no more after this many events of a stream, and wait until the client hangs up."""
    fail: int | None = None
    """Send an error event, of `status` or else 500, after this many events of a stream, and end it there."""
    usage: bool = True
    """`usage=none` leaves the usage out of made answers."""
    error_rate: float = 0.0
    """The share of requests that is answered with one of `error_status`."""
    error_status: tuple[int, ...] = (429, 500, 503, 529)
    drop_rate: float = 0.0
    """The share of streams that is cut somewhere inside."""
    refuse: str | None = None
    """A body with this parameter gets a 400, as an endpoint that does not know it: `stream_options`, or dotted."""
    polls: int = 1
    """How many times a background response is found unfinished."""
    input_tokens: int | None = None
    """Claimed in the usage of made answers instead of counted."""
    output_tokens: int | None = None
    """The length of made answers, reasoning included; the request's own cap still holds."""
    cached_tokens: int | None = None
    """Of the input, how much the cache is said to have given."""
    reasoning_tokens: int | None = None
    """Of the output, how much is reasoning."""
    bill_extra: float = 0.0
    """The share of calls that are billed twice: as if there had been another one, that nobody has seen."""
    bill_others: float = 0.0
    """The share of calls that are billed once more, to another key and project."""
    bill_batch: float = 0.0
    """The share of calls that are billed as batches, at half the price."""
    bill_price: float = 1.0
    """How many times its price a model is billed at."""
    bill_model: str | None = None
    """The model that `bill_price` is for; `None`: all."""
    bill_discount: float = 1.0
    """The part of their prices that all models are billed at."""
    bill_credit: float = 0.0
    """US dollars that are taken off each day."""
    bill_zone: int = 0
    """How many hours after midnight of UTC days begin."""
    bill_late: float = 0.0
    """For so many hours a call is not on any bill yet."""
    bill_places: int | None = None
    """To so many decimals of a dollar each amount is rounded."""

    def changed(self, options: Mapping[str, object]) -> Knobs:
        """These knobs with some turned; `ValueError` names an option that is unknown or cannot be read."""
        return replace(self, **{name: _read(name, value) for name, value in options.items()})  # type: ignore[arg-type]


@lru_cache(maxsize=256)
def from_header(knobs: Knobs, text: str) -> Knobs:
    """The knobs of one request: `latency=0.2,drop=3`. The word `none` turns the shares of errors and drops off."""
    options: dict[str, object] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        if part == "none":
            options |= {"error_rate": 0.0, "drop_rate": 0.0}
        else:
            name, _, value = part.partition("=")
            options[name.strip().replace("-", "_")] = value.strip()
    return knobs.changed(options)


def _statuses(value: object) -> tuple[int, ...]:
    if isinstance(value, str):
        return tuple(int(part) for part in value.replace("+", ",").split(",") if part)
    if isinstance(value, int):
        return (value,)
    if isinstance(value, (tuple, list)):
        return tuple(int(part) for part in value)
    raise ValueError(value)


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    return {"none": False, "off": False, "false": False, "on": True, "true": True, "": True}[str(value)]


def _whole(value: object) -> int | None:
    return None if value is None else int(str(value))


READERS: dict[str, Callable[[object], object]] = {
    "float": lambda value: float(str(value)),
    "int": _whole,
    "int | None": _whole,
    "str | None": lambda value: None if value is None else str(value),
    "bool": _switch,
    "tuple[int, ...]": _statuses,
}
TYPES = {field.name: str(field.type) for field in fields(Knobs)}


def _read(name: str, value: object) -> object:
    kind = TYPES.get(name)
    if kind is None:
        raise ValueError(f"simulator: no knob is called {name!r}; there are {', '.join(TYPES)}")
    try:
        return READERS[kind](value)
    except (ValueError, KeyError) as error:
        raise ValueError(f"simulator: {name}={value!r} was expected to be {kind}") from error
