"""What is done as a limit fills, as a policy says it.

[[ladder]]
limit = "usd-day-per-tenant"                 # the name of the limit whose usage drives it
hysteresis = 5                               # percentage points below a step at which it is left again
steps = [
    { at = 50, do = "alert" },
    { at = 80, do = "cheaper", models = { "gpt-4o" = "gpt-4o-mini", "claude-opus-*" = "claude-haiku-4-5" } },
    { at = 85, do = "cap_output", tokens = 256 },
    { at = 88, do = "shed", priority = ["low"] },
    { at = 90, do = "throttle", limit = "10 requests / minute" },
    { at = 95, do = "emergency" },
    { at = 100, do = "deny" },
]

[emergency]                                  # for all calls, until a person ends it
models = { "gpt-*" = "gpt-4o-mini" }
tokens = 128
shed = ["low", "normal"]
throttle = "5 requests / minute per tenant"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tollkeeper.model.ladder import DOINGS, HYSTERESIS, SHEDDABLE, Do, Emergency, Ladder, Priority, Step
from tollkeeper.model.limit import LARGEST_AMOUNT, Limit
from tollkeeper.policy.forms import Form, read_form, write_form
from tollkeeper.policy.limit_table import HIGHEST_PERCENTAGE
from tollkeeper.policy.mistakes import Table, choice, nearest, text, whole

FIELDS: Final = ("limit", "hysteresis", "steps")
EMERGENCY_FIELDS: Final = ("models", "tokens", "shed", "throttle")
STEP_FIELDS: Final[Mapping[Do, tuple[str, str]]] = {
    "cheaper": ("models", 'the models to ask instead, such as { "gpt-4o" = "gpt-4o-mini" }'),
    "cap_output": ("tokens", "the most output tokens, such as 256"),
    "shed": ("priority", f"the priorities that are not sent, of {', '.join(SHEDDABLE)}"),
    "throttle": ("limit", 'one more limit, such as "10 requests / minute"'),
}
"""The one field that a step has besides `at` and `do`, and what was expected where it is missing."""

THROTTLE_NAME: Final = "{} throttle {}"
EMERGENCY_THROTTLE: Final = "emergency throttle"


def ladder_of(table: Table, limits: Sequence[Limit]) -> Ladder | None:
    """The ladder that a table says; nothing if its limit is not known."""
    table.know(FIELDS)
    names = {limit.name: limit for limit in limits}
    name = table.read("limit", text)
    limit = names.get(name or "")
    if "limit" not in table:
        table.note("limit", "the name of the limit that drives it")
    elif name is not None and limit is None:
        table.note("limit", f"the name of a limit; {nearest(name, names)}")
    elif limit is not None and limit.window is None and limit.measure != "concurrency":
        table.note("limit", "a limit that fills, and not one of each request by itself")
    hysteresis = table.read("hysteresis", _hysteresis, HYSTERESIS)
    rows = table.tables("steps")
    if not rows:
        table.note("steps", 'steps, such as [{ at = 80, do = "cheaper", models = { … } }]')
    steps = [step for row in rows if (step := _step(row, limit)) is not None]
    if limit is None:
        return None
    return Ladder(limit.name, tuple(sorted(steps, key=lambda step: step.at)), hysteresis)


def emergency_of(table: Table) -> Emergency:
    """What `[emergency]` says."""
    table.know(EMERGENCY_FIELDS)
    throttle = table.read("throttle", lambda value: _form(value, "UTC"))
    return Emergency(
        models=models_of(table, "models"),
        tokens=table.read("tokens", _tokens),
        shed=table.read("shed", _priorities, ()),
        throttle=None if throttle is None else Limit(EMERGENCY_THROTTLE, *throttle[:3], per=throttle.per, at=()),
    )


def models_of(table: Table, key: str) -> Mapping[str, str]:
    """Models, by globs of those that they are asked in place of."""
    models = table.table(key, STEP_FIELDS["cheaper"][1])
    return {glob: model for glob in models.content if (model := models.read(glob, text)) is not None}


def ladder_document(ladder: Ladder) -> dict[str, Any]:
    """A ladder as it is written."""
    written: dict[str, Any] = {"limit": ladder.limit}
    if ladder.hysteresis != HYSTERESIS:
        written["hysteresis"] = ladder.hysteresis
    return written | {"steps": [_step_document(step) for step in ladder.steps]}


def emergency_document(emergency: Emergency) -> dict[str, Any]:
    """The emergency as it is written."""
    written: dict[str, Any] = {"models": dict(emergency.models)} if emergency.models else {}
    if emergency.tokens is not None:
        written["tokens"] = emergency.tokens
    if emergency.shed:
        written["shed"] = list(emergency.shed)
    if emergency.throttle is not None:
        written["throttle"] = write_form(emergency.throttle)
    return written


def _step(table: Table, limit: Limit | None) -> Step | None:
    at = table.read("at", lambda value: whole(value, 1, HIGHEST_PERCENTAGE, "a whole percentage"))
    do = table.read("do", choice(*DOINGS))
    for key, expected in (("at", "the percentage from which on it holds"), ("do", f"one of {', '.join(DOINGS)}")):
        if key not in table:
            table.note(key, expected)
    if do is None:
        return None
    own, expected = STEP_FIELDS.get(do, ("", ""))
    table.know(("at", "do", own) if own else ("at", "do"))
    if own and not table.content.get(own):
        table.note(own, expected)
    models = models_of(table, "models") if do == "cheaper" else {}
    tokens = table.read("tokens", _tokens) if do == "cap_output" else None
    priorities = (table.read("priority", _priorities) or ()) if do == "shed" else ()
    form = table.read("limit", lambda value: _form(value, _zone(limit))) if do == "throttle" else None
    if at is None:
        return None
    throttle = None if form is None or limit is None else _throttle(form, limit, at)
    return Step(at, do, models, tokens, priorities, throttle)


def _step_document(step: Step) -> dict[str, Any]:
    written: dict[str, Any] = {"at": step.at, "do": step.do}
    if step.do == "cheaper":
        written["models"] = dict(step.models)
    elif step.do == "cap_output":
        written["tokens"] = step.tokens
    elif step.do == "shed":
        written["priority"] = list(step.priorities)
    elif step.throttle is not None:
        written["limit"] = write_form(step.throttle)
    return written


def _throttle(form: Form, limit: Limit, at: int) -> Limit:
    """It is for the same calls as the ladder's limit, and, unless it says whose it is, for those who share that."""
    per = form.per or limit.per
    name = THROTTLE_NAME.format(limit.name, at)
    return Limit(name, form.measure, form.amount, form.window, limit.match, per, at=(), exempt=limit.exempt)


def _zone(limit: Limit | None) -> str:
    return limit.window.zone if limit is not None and limit.window is not None else "UTC"


def _form(value: Any, zone: str) -> Form:
    form = read_form(text(value), zone)
    if form.window is None and form.measure != "concurrency":
        raise ValueError("a limit over time, such as '10 requests / minute', and not one of each request by itself")
    return form


def _hysteresis(value: Any) -> int:
    return whole(value, 0, 100, "whole percentage points")


def _tokens(value: Any) -> int:
    return whole(value, 1, LARGEST_AMOUNT, "tokens; a whole number")


def _priorities(value: Any) -> tuple[Priority, ...]:
    each = value if isinstance(value, list) else [value]
    if "critical" in each:
        raise ValueError("other priorities: critical calls are never shed")
    said = [choice(*SHEDDABLE)(one) for one in each]
    return tuple(one for one in SHEDDABLE if one in said)
