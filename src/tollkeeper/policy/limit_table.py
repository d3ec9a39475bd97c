"""One limit of a policy, a `[[limit]]` table: read with all its mistakes, and written.

limit = "$10 / day per tenant"               # a form; or what it says in single fields: measure, amount, window, per
name = "usd-day-per-tenant"                  # the identity of what was used; made of the form where it is left out
match = { provider = "openai", model = ["gpt-4*", "o3"], operation = "chat", tags = { priority = "low" } }
exempt = ["ollama/*", { tags = { feature = "support" } }]
time_zone = "Europe/Berlin"                  # whose days, weeks and months; the policy's if it is left out
mode = "hard"                                # or "soft": it only warns
at = [50, 80, 90, 95, 100]                   # the percentages that are told of
on_exceeded = "wait 30s"                     # for how long a call waits for room; "deny": not at all
on_unavailable = "local"                     # "allow", "local" or "deny", where the counters cannot be reached
unbounded = 4096                             # the most output of a call that names none; "refuse": no such calls
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, Literal, get_args

from tollkeeper.model.calendar import zone_named
from tollkeeper.model.limit import (
    LARGEST_AMOUNT,
    MEASURES,
    PER,
    THRESHOLDS,
    Limit,
    Measure,
    Mode,
    Per,
    Unavailable,
    Window,
)
from tollkeeper.policy.forms import (
    EXAMPLES,
    Form,
    amount_text,
    name_of,
    read_amount,
    read_form,
    read_window,
    window_text,
    write_form,
)
from tollkeeper.policy.match_table import exempt_document, exempt_of, match_document, matched
from tollkeeper.policy.mistakes import Table, choice, nearest, text, whole

FIELDS: Final = (
    "name", "limit", "match", "per", "measure", "amount", "window", "time_zone", "mode", "at", "on_exceeded",
    "on_unavailable", "exempt", "unbounded",
)  # fmt: skip
HIGHEST_PERCENTAGE = 1000
LONGEST_WAIT = 3600
LONGEST_NAME = 100

_MODE = choice(*get_args(Mode))
_UNAVAILABLE = choice(*get_args(Unavailable))
_NAME = re.compile(r"\w(?:[\w .-]*[\w.-])?")
_WAIT = re.compile(r"wait ([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(ms|s|m)")
_SECONDS = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60)}


def limit_of(table: Table, zone: str) -> Limit | None:
    """The limit that a table says; nothing if it does not say what is limited. `zone` is the policy's."""
    table.know(FIELDS)
    said = _said(table, table.read("time_zone", time_zone, zone))
    name = table.read("name", said_name) or (name_of(said) if said else "")
    mode: Mode = table.read("mode", _MODE, "hard")
    if mode == "soft" and "on_exceeded" in table:
        table.note("on_exceeded", 'nothing, as a limit of mode "soft" only warns')
    limit = Limit(
        name=name,
        measure=said.measure if said else "requests",
        amount=said.amount if said else 0,
        window=said.window if said else None,
        match=matched(table, "match"),
        per=said.per if said else (),
        mode=mode,
        at=table.read("at", _percentages, THRESHOLDS),
        wait=table.read("on_exceeded", _wait, 0.0),
        on_unavailable=table.read("on_unavailable", _UNAVAILABLE, "local"),
        exempt=exempt_of(table, "exempt"),
        unbounded=table.read("unbounded", _unbounded, 4096),
    )
    return limit if said else None


def limit_document(limit: Limit) -> dict[str, Any]:
    """A limit as it is written: its name, its form, and what is not as usual."""
    usual = Limit(limit.name, limit.measure, limit.amount)
    written: dict[str, Any] = {"name": limit.name, "limit": write_form(limit)}
    if limit.window is not None and limit.window.zone != "UTC":
        written["time_zone"] = limit.window.zone
    if limit.match != usual.match:
        written["match"] = match_document(limit.match)
    if limit.mode != usual.mode:
        written["mode"] = limit.mode
    if limit.at != usual.at:
        written["at"] = list(limit.at)
    if limit.wait and limit.mode == "hard":
        written["on_exceeded"] = exceeded_text(limit)
    if limit.on_unavailable != usual.on_unavailable:
        written["on_unavailable"] = limit.on_unavailable
    if limit.exempt:
        written["exempt"] = [exempt_document(match) for match in limit.exempt]
    if limit.unbounded != usual.unbounded:
        written["unbounded"] = limit.unbounded
    return written


def exceeded_text(limit: Limit) -> str:
    """What `on_exceeded` says."""
    if not limit.wait:
        return "deny"
    seconds = f"{Decimal(str(limit.wait)):f}"
    return f"wait {seconds.rstrip('0').rstrip('.') if '.' in seconds else seconds}s"


def time_zone(value: Any) -> str:
    """The name of a time zone."""
    try:
        zone_named(text(value))
    except ValueError:
        raise ValueError('a time zone, such as "Europe/Berlin"') from None
    return str(value)


def _said(table: Table, zone: str) -> Form | None:
    """What is limited: as the form says, or the single fields. Where both say something, they are to agree."""
    form = table.read("limit", lambda value: read_form(_form_text(value), zone))
    measure = table.read("measure", choice(*MEASURES)) or (form.measure if form else None)
    per = table.read("per", per_of)
    amount = table.read("amount", lambda value: read_amount(value, measure)) if measure else None
    window = table.read("window", lambda value: _window(value, measure, zone)) if measure else None
    said = form if "limit" in table else _of_fields(table, measure, amount, window, per or ())
    if form is not None:
        agrees = _agreement(table)
        agrees("measure", measure == form.measure, form.measure)
        if measure == form.measure:
            agrees("amount", amount in (None, form.amount), amount_text(form.measure, form.amount))
            agrees("window", window in (None, (form.window,)), window_text(form.window, form.measure))
        agrees("per", not form.per or per in (None, form.per), " and ".join(form.per))
        said = form._replace(per=form.per or per or ())
    if said is not None and "time_zone" in table and (said.window is None or said.window.rolling):
        table.note("time_zone", "none, as only days and other times of a calendar depend on one")
    return said


def _agreement(table: Table) -> Callable[[str, bool, str], None]:
    def check(key: str, agrees: bool, form_says: str) -> None:
        if key in table and not agrees:
            table.note(key, f"{form_says!r}, as `limit` says, or only one of the two")

    return check


def _of_fields(
    table: Table, measure: Measure | None, amount: int | None, window: tuple[Window | None] | None, per: tuple[Per, ...]
) -> Form | None:
    if "measure" not in table and "amount" not in table:
        table.note("limit", f"a form such as {EXAMPLES}, or measure, amount and window")
        return None
    missing = {
        "measure": f"one of {', '.join(MEASURES)}",
        "amount": "how much, such as 60 or 2M; of usd, dollars",
        "window": 'a time, such as "minute" or "rolling hour"; or "request", for each by itself',
    }
    for key in ("measure", "amount") if measure in (None, "concurrency") else missing:
        if key not in table:
            table.note(key, missing[key])
    if measure is None or amount is None or (window is None and measure != "concurrency"):
        return None
    return Form(measure, amount, window[0] if window else None, per)


def _form_text(value: Any) -> str:
    if isinstance(value, str) and value.strip():
        return value
    raise ValueError(f"a form such as {EXAMPLES}")


def _window(value: Any, measure: Measure, zone: str) -> tuple[Window | None]:
    """In a tuple, so that no window, which `request` means, is not the same as nothing said."""
    if not isinstance(value, str):
        raise ValueError('a time, such as "minute" or "rolling hour"')
    return (read_window(value, measure, zone),)


def per_of(value: Any) -> tuple[Per, ...]:
    """What is counted by: a name, several, or `global`."""
    if value == "global":
        return ()
    names = value if isinstance(value, list) else str(value).split(" and ") if isinstance(value, str) else [value]
    for name in names:
        if name not in PER:
            raise ValueError(f'names of {", ".join(PER)}, or "global"; {nearest(str(name), PER)}')
    return tuple(each for each in PER if each in names)


def said_name(value: Any) -> str:
    """A name that can be a part of a key."""
    if isinstance(value, str) and len(value) <= LONGEST_NAME and _NAME.fullmatch(value):
        return value
    raise ValueError(f"a name of letters, digits, spaces, and any of _ . -, no longer than {LONGEST_NAME}")


def _percentages(value: Any) -> tuple[int, ...]:
    each = value if isinstance(value, list) else [value]
    return tuple(sorted({whole(one, 1, HIGHEST_PERCENTAGE, "whole percentages") for one in each}))


def _wait(value: Any) -> float:
    if value == "deny":
        return 0.0
    found = _WAIT.fullmatch(value) if isinstance(value, str) else None
    seconds = Decimal(found[1]) * _SECONDS[found[2]] if found else Decimal(0)
    if not Decimal("0.001") <= seconds <= LONGEST_WAIT:
        raise ValueError('"deny", or a wait such as "wait 30s", of an hour at the most')
    return float(seconds)


def _unbounded(value: Any) -> int | Literal["refuse"]:
    if value == "refuse":
        return "refuse"
    return whole(value, 1, LARGEST_AMOUNT, 'tokens, or "refuse"; a whole number')
