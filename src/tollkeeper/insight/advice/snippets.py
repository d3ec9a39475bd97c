"""How advice is put into force: TOML that `read_policy` takes, and lines of Python."""

from __future__ import annotations

import re

from tollkeeper.insight.advice.facts import Task
from tollkeeper.insight.advice.recommendation import Way
from tollkeeper.model import Limit, Match, Window
from tollkeeper.model.ladder import Ladder, Step
from tollkeeper.policy import Policy
from tollkeeper.policy.document import read_toml, write_toml
from tollkeeper.policy.mistakes import PolicyError

_ODD = re.compile(r"[^\w .-]")
LONGEST_NAME = 80
FROM_THE_SECOND = (
    "# From the second call of each month on: a soft limit of one call, which denies nothing, and its step."
)


def step_for(task: Task, purpose: str, step: Step) -> tuple[Way, ...]:
    """A step of a ladder that holds for a task's calls: from the second one of each month on.

    None where a policy cannot name the feature or the model, as with a line break in it.
    """
    name = _ODD.sub("-", f"{purpose} {task.feature or 'no feature'} {task.asked}")[:LONGEST_NAME].strip(" .-")
    match = Match(
        provider=(exactly(task.provider),),
        model=(exactly(task.asked),),
        tags={"feature": (exactly(task.feature),)},
    )
    limit = Limit(name, "requests", 1, Window("month"), match, mode="soft", at=())
    lines = f"{FROM_THE_SECOND}\n{tables(Policy(limits=(limit,), ladders=(Ladder(name, (step,), 0),)))}"
    try:
        read_toml(lines, "snippet")
    except PolicyError:
        return ()
    return (Way("policy", lines),)


def tables(policy: Policy) -> str:
    """The tables of a policy without its head: to be added to another one."""
    text = write_toml(policy)
    return text[text.index("[[") :]


def exactly(text: str) -> str:
    """A glob that fits this text only."""
    return re.sub(r"([*?\[])", r"[\1]", text)
