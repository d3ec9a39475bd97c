"""The form of one limit: what is typed, as tables of a policy, and a limit of the policy as what would be typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, NamedTuple

from starlette.datastructures import FormData

from tollkeeper.model.limit import PER, Limit
from tollkeeper.policy.document import Document
from tollkeeper.sidecar.web.amounts import read_money, read_whole
from tollkeeper.sidecar.web.pages.budgets.conditions import (
    conditions_of,
    conditions_text,
    exempt_text,
    match_of,
    read_conditions,
    read_exempt,
    read_models,
)

MEASURES: Mapping[str, str] = {
    "usd": "US dollars", "tokens": "tokens", "requests": "requests", "input_tokens": "input tokens",
    "output_tokens": "output tokens", "concurrency": "calls at once",
}  # fmt: skip
WINDOWS: Mapping[str, str] = {
    "minute": "minute", "hour": "hour", "day": "day", "week": "week", "month": "month", "request": "single call",
    "second": "second",
}  # fmt: skip
EVERYBODY = "everybody"
THEN: Mapping[str, str] = {
    "refuse": "refuse further calls", "wait": "let calls wait, then refuse", "warn": "only warn, and let calls go",
}  # fmt: skip
STEPS: Mapping[str, str] = {
    "alert": "tell people", "cheaper": "ask a cheaper model", "cap_output": "cut answers short",
    "shed": "turn unimportant calls away", "throttle": "slow calls down", "emergency": "begin an emergency",
    "deny": "refuse calls",
}  # fmt: skip
STEP_VALUES: Mapping[str, tuple[str, str]] = {
    "cheaper": ("Which model instead", "gpt-4o = gpt-4o-mini"),
    "cap_output": ("Output tokens at the most", "256"),
    "shed": ("Calls of these priorities", "low, normal"),
    "throttle": ("To how many", "10 requests / minute"),
}
"""What else is to be said of a step, with an example; of the others, nothing."""
UNAVAILABLE: Mapping[str, str] = {
    "local": "use up what they hold, then refuse", "allow": "let calls go", "deny": "refuse calls",
}  # fmt: skip
LEAST_STEPS = 6
"""Rows of steps that a form has; empty ones are shown one at a time."""

SINGLE = (
    "name", "amount", "measure", "window", "whose", "only_name", "only_value", "then", "wait_for", "burst",
    "time_zone", "at", "on_unavailable", "exempt", "only_more", "unbounded", "hysteresis",
)  # fmt: skip


class Mistaken(Exception):
    """What was typed cannot be. By field: what was expected; by the empty name, what is wrong with the whole."""

    def __init__(self, mistakes: Mapping[str, str]) -> None:
        super().__init__("; ".join(mistakes.values()))
        self.mistakes = mistakes


@dataclass
class LimitForm:
    """As it is typed. `before` is the name of the limit that is changed; empty: it is a new one."""

    before: str = ""
    said: dict[str, str] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    rolling: bool = False
    steps: list[tuple[str, str, str]] = field(default_factory=list)

    def __getitem__(self, name: str) -> str:
        return self.said.get(name, "")

    @property
    def rows(self) -> list[tuple[str, str, str]]:
        """The steps, with empty ones after them."""
        return [*self.steps, *[("", "", "")] * max(LEAST_STEPS - len(self.steps), 1)]


class Tables(NamedTuple):
    """A limit as a policy has it, its steps if it has any, and what of the form could not be read, by field."""

    limit: Document
    ladder: Document | None
    mistakes: dict[str, str]


NEW = LimitForm(
    said={
        "amount": "100", "measure": "usd", "window": "month", "whose": EVERYBODY, "then": "refuse", "wait_for": "30s",
        "on_unavailable": "local", "at": "50, 80, 90, 95, 100", "time_zone": "UTC", "unbounded": "4096",
        "hysteresis": "5",
    }
)  # fmt: skip
"""What a new limit begins with."""


def typed(form: FormData) -> LimitForm:
    """What was sent."""

    def one(name: str) -> str:
        value = form.get(name)
        return value.strip() if isinstance(value, str) else ""

    at, do, value = ([str(each).strip() for each in form.getlist(f"step_{name}")] for name in ("at", "do", "value"))
    return LimitForm(
        before=one("before"),
        said={name: one(name) for name in SINGLE},
        also=tuple(str(each) for each in form.getlist("also") if each in PER),
        rolling=one("rolling") == "yes",
        steps=[row for row in zip_longest(at, do, value, fillvalue="") if any(row)],
    )


def form_of(limit: Limit, table: Document, ladder: Document | None) -> LimitForm:
    """What would be typed to have a limit; `table` and `ladder` are how the policy writes it."""
    conditions = conditions_of(table.get("match", {}))
    first, rest = (conditions[0], conditions[1:]) if conditions else (("", ""), [])
    window = limit.window
    burst = "" if window is None or window.burst is None else _plain(window.burst, limit.measure)
    then = "warn" if limit.mode == "soft" else "wait" if limit.wait else "refuse"
    said = {
        **NEW.said, "name": limit.name, "amount": _plain(limit.amount, limit.measure), "measure": limit.measure,
        "window": "request" if window is None else window.unit, "whose": limit.per[0] if limit.per else EVERYBODY,
        "only_name": first[0], "only_value": first[1], "only_more": conditions_text(rest), "then": then,
        "wait_for": str(table.get("on_exceeded", "wait 30s")).removeprefix("wait "), "burst": burst,
        "time_zone": "UTC" if window is None else window.zone, "at": ", ".join(map(str, limit.at)),
        "on_unavailable": limit.on_unavailable, "exempt": exempt_text(table.get("exempt", ())),
        "unbounded": str(limit.unbounded), "hysteresis": str((ladder or {}).get("hysteresis", 5)),
    }  # fmt: skip
    steps = [(str(step["at"]), step["do"], _step_text(step)) for step in (ladder or {}).get("steps", ())]
    return LimitForm(limit.name, said, limit.per[1:], window is not None and window.rolling, steps)


def tables_of(form: LimitForm) -> Tables:
    """What a form says. Where the amount cannot be read, it is some amount, so that the rest can be looked at."""
    reading = _Reading(form)
    measure = form["measure"] if form["measure"] in MEASURES else "usd"
    whose = () if form["whose"] in ("", EVERYBODY) else (form["whose"],)
    table: Document = {
        "name": form["name"], "measure": measure, "window": _window(form, measure),
        "amount": reading.read("amount", read_money if measure == "usd" else read_whole) or 0,
        "per": list(dict.fromkeys((*whose, *form.also))),
        "match": match_of(reading.conditions()), "exempt": reading.read("exempt", read_exempt),
        "mode": "soft" if form["then"] == "warn" else "hard",
        "on_exceeded": f"wait {form['wait_for']}" if form["then"] == "wait" else None,
        "at": reading.read("at", _whole_numbers), "on_unavailable": form["on_unavailable"] or None,
        "unbounded": "refuse" if form["unbounded"] == "refuse" else reading.optional("unbounded"),
        "time_zone": _zone(form, measure),
    }  # fmt: skip
    ladder = {"steps": reading.steps(), "hysteresis": reading.optional("hysteresis")}
    table = {key: value for key, value in table.items() if value not in (None, "", [], {})} | {
        "amount": str(table["amount"]), "at": table["at"] or [],
    }  # fmt: skip
    said = {key: value for key, value in ladder.items() if value is not None}
    return Tables(table, said if ladder["steps"] else None, reading.mistakes)


class _Reading:
    """Reads a form's fields, and keeps what is wrong with them."""

    def __init__(self, form: LimitForm) -> None:
        self._form = form
        self.mistakes: dict[str, str] = {}

    def read(self, name: str, read: Any) -> Any:
        try:
            return read(self._form[name])
        except ValueError as expected:
            self.mistakes[name] = str(expected)
            return None

    def optional(self, name: str) -> int | None:
        number: int | None = self.read(name, lambda text: read_whole(text) if text else None)
        return number

    def conditions(self) -> list[tuple[str, str]]:
        name, value = self._form["only_name"], self._form["only_value"]
        if name and not value:
            self.mistakes["only_value"] = f"say which {name}, or choose all calls"
        if value and not name:
            self.mistakes["only_value"] = f"choose what {value!r} is: a tenant, a model …"
        more: list[tuple[str, str]] = self.read("only_more", read_conditions) or []
        return [*([(name, value)] if name and value else []), *more]

    def steps(self) -> list[Document]:
        found = []
        for place, (at, do, value) in enumerate(self._form.steps, 1):
            if not do:
                self.mistakes[f"step-{place}"] = "choose what is done at this percentage, or empty the row"
                continue
            try:
                found.append({"at": read_whole(at.removesuffix("%")), "do": do, **_step_value(do, value)})
            except ValueError as expected:
                self.mistakes[f"step-{place}"] = f"{STEPS.get(do, do)}: {expected}"
        return found if len(found) == len(self._form.steps) else []  # else they would not be where they were typed


def _window(form: LimitForm, measure: str) -> str | None:
    if measure == "concurrency":
        return None
    if form["window"] == "request" or not form.rolling:
        return form["window"]
    return f"rolling {form['window']}" + (f" burst {form['burst']}" if form["burst"] else "")


def _zone(form: LimitForm, measure: str) -> str | None:
    has_calendar = measure != "concurrency" and form["window"] != "request" and not form.rolling
    return form["time_zone"] or None if has_calendar else None


def _whole_numbers(text: str) -> list[int]:
    return [read_whole(each.strip().removesuffix("%")) for each in text.split(",") if each.strip()]


def _step_value(do: str, value: str) -> Document:
    if do == "cheaper":
        return {"models": read_models(value)}
    if do == "cap_output":
        return {"tokens": read_whole(value)}
    if do == "shed":
        return {"priority": [each.strip() for each in value.split(",") if each.strip()]}
    return {"limit": value} if do == "throttle" else {}


def _step_text(step: Mapping[str, Any]) -> str:
    if "models" in step:
        return conditions_text(step["models"].items())
    if "priority" in step:
        return ", ".join(step["priority"])
    return str(step.get("tokens", step.get("limit", "")))


def _plain(amount: int, measure: str) -> str:
    if measure != "usd":
        return str(amount)
    whole, rest = divmod(amount, 10**9)
    return f"{whole}.{f'{rest:09d}'.rstrip('0').ljust(2, '0')}" if rest else str(whole)
