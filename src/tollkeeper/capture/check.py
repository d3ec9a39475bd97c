"""`tollkeeper.check(…)`: would this call be admitted now?"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import NamedTuple

from tollkeeper.capture import instrumentation
from tollkeeper.capture.attribution import current_tags
from tollkeeper.model import Call, Denial
from tollkeeper.model.call import Operation
from tollkeeper.policy.wording import message_of
from tollkeeper.storage.outlook import Standing, deciding

NS_A_SECOND = 1_000_000_000


class Check(NamedTuple):
    """Whether a call would be admitted, and how the limit stands that decides: the one that denies, else the tightest.

    Counts are in the unit of its measure (nano-dollars of `usd`). They are `None` where no limit binds the call, or
    where the limit binds each call by itself: never a zero that was made up. `limits` are all that bind it; `steps`
    are those of ladders, or `emergency`, that would change it.
    """

    can_call: bool
    current_count: int | None = None
    limit_value: int | None = None
    remaining: int | None = None
    reset_at: datetime | None = None
    limit: str | None = None
    reason: str | None = None
    message: str | None = None
    limits: tuple[Standing, ...] = ()
    steps: tuple[str, ...] = ()


def check(
    model: str,
    *,
    provider: str = "openai",
    operation: Operation = "chat",
    input_tokens: int | None = None,
    output_tokens: int | None = None,
    **tags: str,
) -> Check:
    """Whether such a call would be admitted at this moment, as the policy's ladders and emergency would have it sent.

    Nothing is held for it: the call may still be denied.

    The tokens are the most that it can have; limits of tokens or dollars need to know them. Its tags are those in
    force (`tollkeeper.tags`, `instrument(tags=…)`), and `tags`. Without `instrument(policy=…)`, every call may go.
    Raises `CountersUnavailable` where the counters cannot be reached, and `ValueError` for tokens that are no whole
    number, or below zero.
    """
    for name, tokens in (("input_tokens", input_tokens), ("output_tokens", output_tokens)):
        if tokens is not None and (type(tokens) is not int or tokens < 0):
            raise ValueError(f"{name} is {tokens!r}; expected a whole number, 0 or more")
    app = instrumentation.current()
    gate = app.gate if app is not None else None
    if app is None or gate is None:
        return Check(can_call=True)
    tagged = {**app.settings.tags, **current_tags(), **tags}
    call = Call("", provider, operation, time.time_ns(), request_model=model, tags=tagged)
    refusal, found, steps = gate.outlook(call, input_tokens, output_tokens)
    if refusal is not None:
        return Check(False, limit=refusal.status.limit.name, reason=refusal.reason, message=message_of(refusal))
    standings = tuple(found)
    one = deciding(standings)
    if one is None:
        return Check(can_call=True, steps=steps)
    status, is_counted = one.status, one.status.limit.window is not None or one.status.limit.measure == "concurrency"
    denied = None if one.can_call or one.reason is None else Denial(status, one.estimate, None, one.reason)
    return Check(
        can_call=denied is None,
        current_count=status.used if is_counted else None,
        limit_value=status.limit.amount,
        remaining=status.remaining if is_counted else None,
        reset_at=None if status.resets_at is None else datetime.fromtimestamp(status.resets_at // NS_A_SECOND, UTC),
        limit=status.limit.name,
        reason=None if denied is None else denied.reason,
        message=None if denied is None else message_of(denied),
        limits=standings,
        steps=steps,
    )
