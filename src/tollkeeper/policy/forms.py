"""Limits as people say them.

    60 requests / minute per user          90000 tokens / minute              1_000 output tokens / rolling hour
    $10 / day per tenant and model         $0.50 per request                  60 requests / rolling minute burst 10
    2M tokens / month                      10 concurrent calls per tenant

An amount (thousands may have commas or underscores; `k` and `M` are a thousand and a million), what is counted, the
time, and whose. `per minute` says the same as `/ minute`. Each limit has one spelling in which it is written back.
"""

from __future__ import annotations

import re
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from tollkeeper.model.limit import LARGEST_AMOUNT, PER, UNITS, Limit, Measure, Per, Window

EXAMPLES: Final = '"60 requests / minute per user", "$10 / day" or "10 concurrent calls per tenant"'
NANO = 1_000_000_000

_WORD = re.compile(r"[$/]|[^\s$/]+")
_NUMBER = re.compile(r"([0-9]{1,3}(?:,[0-9]{3})+|[0-9]+(?:_[0-9]+)*)(?:\.([0-9]+))?([kKM]?)")
_TIMES = {"": 1, "k": 1_000, "K": 1_000, "M": 1_000_000}
_LONGEST_NUMBER = 40

_REQUEST = ("request", "call")
_REQUESTS = (*_REQUEST, "requests", "calls")
_TOKENS = ("tokens", "token")
_NOUNS: dict[Measure, str] = {
    "requests": "request",
    "tokens": "token",
    "input_tokens": "input token",
    "output_tokens": "output token",
    "concurrency": "concurrent call",
}


class Form(NamedTuple):
    """What a form says. `amount` is in the unit of the measure (`usd`: nano-dollars)."""

    measure: Measure
    amount: int
    window: Window | None = None
    per: tuple[Per, ...] = ()


def read_form(text: str, zone: str = "UTC") -> Form:
    """What a form says; calendar windows are those of the zone. Raises `ValueError`, which says what was expected."""
    words = _Words(text)
    dollars = words.skip("$")
    number = words.next(f"a form such as {EXAMPLES}")
    measure: Measure = "usd" if dollars else _measure(words)
    amount = read_amount(number, measure)
    window = _time(words, measure, zone)
    whose = _whose(words)
    words.end()
    return Form(measure, amount, window, whose)


def read_amount(value: Any, measure: Measure) -> int:
    """An amount as it is written, a text or an exact number; `usd` in dollars. Raises `ValueError` as `read_form`."""
    text = _digits(value)
    found = _NUMBER.fullmatch(text.removeprefix("$").lstrip() if measure == "usd" else text)
    if found is not None and len(text) <= _LONGEST_NUMBER:
        digits, part, suffix = found[1].replace(",", "").replace("_", ""), found[2] or "", found[3]
        unit = NANO if measure == "usd" else 1
        amount, lost = divmod(int(digits + part) * _TIMES[suffix] * unit, int(10 ** len(part)))
        if not lost and amount <= LARGEST_AMOUNT:
            return amount
    if measure == "usd":
        most = amount_text("usd", LARGEST_AMOUNT)
        raise ValueError(f"US dollars from $0 to {most}, exact to a billionth, such as 0.50")
    raise ValueError(f"a whole number from 0 to {LARGEST_AMOUNT:,}, such as 60, 90,000 or 2M")


def read_window(text: str, measure: Measure, zone: str = "UTC") -> Window | None:
    """The time of a form by itself: `day`, `rolling minute burst 10`; `request`, each by itself, is `None`.

    Raises `ValueError` as `read_form`.
    """
    words = _Words(text)
    window = _window(words, measure, zone)
    words.end()
    return window


def limit_saying(text: str, zone: str = "UTC") -> Limit:
    """The limit that a form alone makes, with the name that it has of itself. Raises `ValueError` as `read_form`."""
    form = read_form(text, zone)
    return Limit(name_of(form), form.measure, form.amount, form.window, per=form.per)


def name_of(form: Form | Limit) -> str:
    """The name of a limit that is given none: `usd-day-per-tenant`.

    The amount has no part in it: what was used is kept under the name, and is to stay when the amount is changed.
    """
    window = form.window
    if window is not None:
        time = f"rolling-{window.unit}" if window.rolling else window.unit
    else:
        time = "" if form.measure == "concurrency" else "per-request"
    whose = f"per-{'-and-'.join(form.per)}" if form.per else ""
    return "-".join(part for part in (form.measure.replace("_", "-"), time, whose) if part)


def write_form(form: Form | Limit) -> str:
    """The one spelling of what is limited. The time zone, name and mode of a limit are not in it."""
    if form.window is not None:
        time = f"/ {window_text(form.window, form.measure)}"
    else:
        time = "" if form.measure == "concurrency" else "per request"
    whose = f"per {' and '.join(form.per)}" if form.per else ""
    return " ".join(part for part in (amount_text(form.measure, form.amount), time, whose) if part)


def amount_text(measure: Measure, amount: int) -> str:
    """An amount with its unit: `$0.50`, `90,000 tokens`. Exact."""
    if measure != "usd":
        return f"{amount:,} {_NOUNS[measure]}{'' if amount == 1 else 's'}"
    whole, rest = divmod(amount, NANO)
    cents = f".{rest:09d}".rstrip("0").ljust(3, "0") if rest else ""
    return f"${whole:,}{cents}"


def window_text(window: Window | None, measure: Measure) -> str:
    """The time as `read_window` reads it."""
    if window is None:
        return "request"
    rolling = "rolling " if window.rolling else ""
    if window.burst is None:
        return f"{rolling}{window.unit}"
    burst = amount_text("usd", window.burst) if measure == "usd" else f"{window.burst:,}"
    return f"{rolling}{window.unit} burst {burst}"


class _Words:
    """The words of a form, read from the left."""

    def __init__(self, text: str) -> None:
        self._left = _WORD.findall(text)[::-1]

    def word(self, ahead: int = 0) -> str:
        """The next word, in small letters; empty at the end."""
        return self._left[-1 - ahead].lower() if ahead < len(self._left) else ""

    def skip(self, *words: str) -> bool:
        """Whether the next word is one of these; it is read then."""
        if self.word() not in words or not self._left:
            return False
        self._left.pop()
        return True

    def next(self, expected: str) -> str:
        """The next word, as it is written."""
        if not self._left:
            raise ValueError(expected)
        return str(self._left.pop())

    def choice(self, choices: tuple[str, ...], expected: str) -> str:
        """The next word, which is to be one of these."""
        if self.word() in choices:
            return self.next(expected).lower()
        raise self.wrong(choices, expected)

    def wrong(self, choices: tuple[str, ...], expected: str) -> ValueError:
        """The next word is not what was expected: the nearest choice, if one is near."""
        near = get_close_matches(self.word(), choices, n=1)
        place = f"in place of {self._left[-1]!r}" if self._left else "at the end"
        return ValueError(f"{near[0]!r} {place}" if near else f"{expected} {place}")

    def end(self) -> None:
        """Nothing is left."""
        if self.word() == "burst":
            raise ValueError("'rolling' before the time, as only what is refilled evenly has a burst")
        if self.word() in PER:
            raise ValueError(f"'per' or 'and' before {self._left[-1]!r}")
        if self._left:
            raise self.wrong(("per", "and", "burst"), "nothing")


def _digits(value: Any) -> str:
    """A number as text; empty if it is none, or beyond all bounds. A float is none: it is not exact."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return ""
    number = Decimal(value)
    small = number.is_finite() and abs(number.adjusted()) <= _LONGEST_NUMBER
    return _plain(f"{number:f}") if small else ""


def _plain(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _measure(words: _Words) -> Measure:
    expected = "requests, tokens, input tokens, output tokens or concurrent calls"
    word = words.choice((*_REQUESTS, *_TOKENS, "input", "output", "concurrent"), expected)
    if word == "concurrent":
        words.choice(_REQUESTS, "calls")
        return "concurrency"
    if word in ("input", "output"):
        words.choice(_TOKENS, "tokens")
        return "input_tokens" if word == "input" else "output_tokens"
    return "tokens" if word in _TOKENS else "requests"


def _time(words: _Words, measure: Measure, zone: str) -> Window | None:
    if words.skip("/"):
        return _window(words, measure, zone)
    if words.word() == "per" and words.word(1) not in PER:
        words.skip("per")
        return _window(words, measure, zone)
    if measure == "concurrency":
        return None
    raise words.wrong((), "a time, such as '/ minute', '/ rolling hour'" + _or_each(measure))


def _window(words: _Words, measure: Measure, zone: str) -> Window | None:
    if measure == "concurrency":
        raise ValueError("no time: calls under way at once are counted")
    rolling = words.skip("rolling")
    if not rolling and words.word() in _REQUEST:
        if measure == "requests":
            raise ValueError("a time, as each request is one request")
        words.skip(*_REQUEST)
        return None
    word = words.choice(UNITS, f"one of {', '.join(UNITS)}")
    unit = next(each for each in UNITS if each == word)
    if not rolling:
        return Window(unit, zone)
    burst = None
    if words.skip("burst"):
        dollars = "$" if words.skip("$") else ""
        burst = read_amount(dollars + words.next("the burst: how much may be used at once"), measure)
        if burst < 1:
            raise ValueError("a burst above zero, as nothing fits into one of nothing")
    return Window(unit, rolling=True, burst=burst)


def _or_each(measure: Measure) -> str:
    return "" if measure == "requests" else " or 'per request'"


def _whose(words: _Words) -> tuple[Per, ...]:
    if not words.skip("per"):
        return ()
    whose: set[str] = set()
    while True:
        word = words.choice(PER, f"one of {', '.join(PER)}")
        if word in whose:
            raise ValueError(f"{word!r} only once")
        whose.add(word)
        if not words.skip("and"):
            return tuple(each for each in PER if each in whose)  # in one order, as it is a part of the name
