"""Which steps of a ladder are in force, and what becomes of a call under them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from tollkeeper.model.ladder import Emergency, Ladder, Priority, Step
from tollkeeper.model.limit import Limit

EMERGENCY = "emergency"
"""The step's name where the change comes of an emergency, whoever has declared it."""


class Change(NamedTuple):
    """What becomes of a call. `steps` are those that had a part in it, by what they do.

    `model` is asked in place of what was asked for; an answer has no more than `output_tokens`; `throttles` bind the
    call besides its own limits. `shed`, `denied_by`: it is not sent, by a step of a ladder (none: an emergency).
    """

    model: str | None = None
    output_tokens: int | None = None
    throttles: tuple[Limit, ...] = ()
    shed: bool = False
    denied_by: tuple[Ladder, Step] | None = None
    steps: tuple[str, ...] = ()


NO_CHANGE = Change()


def steps_in_force(ladder: Ladder, percent: float, before: int) -> int:
    """How many steps are in force, from the lowest on, where `before` were. At nothing used, none is."""
    reached = sum(step.at <= percent for step in ladder.steps)
    kept = sum(percent > max(step.at - ladder.hysteresis, 0) for step in ladder.steps[:before])
    return max(reached, kept)


def stays(ladder: Ladder, percent: float, in_force: int) -> bool:
    """Whether as many steps are in force at this percentage: the same as asking how many, and quicker."""
    steps = ladder.steps
    if in_force < len(steps) and percent >= steps[in_force].at:
        return False
    return not in_force or percent > max(steps[in_force - 1].at - ladder.hysteresis, 0)


def change_of(
    standing: Sequence[tuple[Ladder, int]], emergency: Emergency | None, model: str, priority: Priority
) -> Change:
    """What becomes of a call, with so many steps of its ladders in force, and an emergency if there is one.

    All steps hold together: of several models that of the emergency, else of the first ladder's highest step; of
    several caps the lowest.
    """
    is_critical = priority == "critical"
    model_to, tokens = None, None
    throttles: list[Limit] = []
    steps: list[str] = []
    if emergency is not None:
        if priority in emergency.shed:
            return Change(shed=True, steps=(EMERGENCY,))
        model_to, tokens = _mapped(emergency.models, model), emergency.tokens
        if emergency.throttle is not None and not is_critical:
            throttles.append(emergency.throttle)
        if model_to is not None or tokens is not None or throttles:
            steps.append(EMERGENCY)
    for ladder, count in standing:
        for step in reversed(ladder.steps[:count]):
            if step.do == "deny":
                return Change(denied_by=(ladder, step), steps=("deny",))
            if step.do == "shed" and priority in step.priorities:
                return Change(shed=True, denied_by=(ladder, step), steps=("shed",))
            if step.do == "cheaper" and model_to is None and (found := _mapped(step.models, model)) is not None:
                model_to = found
                steps.append("cheaper")
            elif step.do == "cap_output" and step.tokens is not None:
                tokens = step.tokens if tokens is None else min(tokens, step.tokens)
                steps.append("cap_output")
            elif step.do == "throttle" and step.throttle is not None and step.throttle not in throttles:
                throttles.append(step.throttle)
                steps.append("throttle")
    if not steps:
        return NO_CHANGE
    return Change(model_to, tokens, tuple(throttles), steps=tuple(dict.fromkeys(steps)))


def _mapped(models: Mapping[str, str], model: str) -> str | None:
    """The model in place of this one: by its own name, else by the first glob; itself is no change."""
    found = models.get(model) or next((to for glob, to in models.items() if fnmatchcase(model, glob)), None)
    return found if found != model else None
