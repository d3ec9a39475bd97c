"""Before a policy is set: what changes, what it would have done to the last thirty days, and why."""

from __future__ import annotations

from collections.abc import Iterator

from starlette.datastructures import FormData
from starlette.responses import Response

from tollkeeper.client import ApiError, Invalid, NotFound, Outdated
from tollkeeper.client.standings import Backtested, PolicyState
from tollkeeper.sidecar.web.forms import number_in
from tollkeeper.sidecar.web.pages.budgets.difference import NOTHING, differences, line_differences, touched
from tollkeeper.sidecar.web.pages.budgets.editing import form_again, version_shown
from tollkeeper.sidecar.web.pages.budgets.limit_form import Mistaken
from tollkeeper.sidecar.web.pages.budgets.proposal import Proposal, propose
from tollkeeper.sidecar.web.pages.budgets.tabs import TABS
from tollkeeper.sidecar.web.pages.budgets.told import telling
from tollkeeper.sidecar.web.view import SAY_WHY, Missing, View

BACKTEST_DAYS = 30
REPLAYED_UNASKED = 100_000
"""Calls. More of them take many seconds, so somebody is to ask for it."""
CONFLICT = 409
OURS = ("csrf_token", "version", "reason")
"""Fields of the review itself; all others are what was typed, and are sent along."""
HAS_FORM = ("limit", "text", "emergency")
WHOLE = ("text", "version")
"""They say the whole policy, and not what is to be changed of it."""


async def review(view: View) -> Response:
    """What the form would change. Nothing is changed yet."""
    return await _reviewed(view)


async def backtest(view: View) -> Response:
    """The same, with what the policy would have done."""
    return await _reviewed(view, with_backtest=True)


async def save(view: View) -> Response:
    """Put it in force, unless somebody else was quicker."""
    policy = await view.api.policy()
    shown = version_shown(view.form)
    try:
        proposal = await _proposed(view, policy)
    except Mistaken as mistaken:
        return await _mistaken(view, mistaken)
    if shown != policy.version:
        return await _page(view, policy, proposal, shown, status=CONFLICT)
    reason = view.field("reason")
    if not reason:
        return await _page(view, policy, proposal, shown, SAY_WHY, status=422)
    try:
        now = await view.api.set_policy(proposal.document, reason=reason, expected=shown, drop_quotas=True)
    except Outdated:
        return await _page(view, await view.api.policy(), proposal, shown, status=CONFLICT)
    except Invalid as error:
        return await _page(view, policy, proposal, shown, error.message, status=422)
    return view.done(proposal.where, f"{proposal.told}. Version {now.version} of the policy is in force.")


async def _reviewed(view: View, with_backtest: bool = False) -> Response:
    policy = await view.api.policy()
    try:
        proposal = await _proposed(view, policy)
    except Mistaken as mistaken:
        return await _mistaken(view, mistaken)
    shown = version_shown(view.form)
    tested = await _backtested(view, proposal) if with_backtest else None
    return await _page(view, policy, proposal, shown, tested=tested)


async def _page(
    view: View, policy: PolicyState, proposal: Proposal, shown: int, mistake: str = "",
    tested: Backtested | Missing | None = None, status: int = 200,
) -> Response:  # fmt: skip
    what, both = view.field("what"), (policy.document, proposal.document)
    others = await _made_by_others(view, policy, shown)
    automatic = tested is None and await _is_quick(view)
    channels = (await view.together(channels=view.api.channels()))["channels"]
    return view.page(
        "budgets_review.html", status, title=proposal.title, tabs=TABS, tab="limits", proposal=proposal,
        rows=differences(*both), lines=line_differences(*both), touched=touched(*both), policy=policy,
        version=policy.version, others=others, conflict=status == CONFLICT, is_text=what in WHOLE,
        tested=tested, automatic=automatic, days=BACKTEST_DAYS, mistake=mistake, reason=view.field("reason"),
        telling=telling(proposal.policy, proposal.limit, channels.channels) if channels else None,
        kept=list(_kept(view.form)), has_form=what in HAS_FORM,
    )  # fmt: skip


async def _is_quick(view: View) -> bool:
    """Whether there are so few calls that they are replayed without being asked to."""
    try:
        usage = await view.api.usage(days=BACKTEST_DAYS)
    except ApiError:
        return False
    return bool(usage.total_calls <= REPLAYED_UNASKED)


async def _backtested(view: View, proposal: Proposal) -> Backtested | Missing:
    try:
        found: Backtested = await view.api.backtest(proposal.document, days=BACKTEST_DAYS)
    except ApiError as error:
        return Missing(error.message)
    return found


async def _made_by_others(view: View, policy: PolicyState, shown: int) -> dict[str, object] | None:
    """What has changed since the form was shown; `None` if nothing has."""
    if shown == policy.version:
        return None
    before = await _version(view, shown)
    rows = differences(NOTHING if before is None else before.document, policy.document)
    return {"policy": policy, "rows": rows, "shown": shown}


async def _proposed(view: View, policy: PolicyState) -> Proposal:
    number = number_in(view.field("number"))
    old = None if number is None else await _version(view, number)
    return propose(view.form, policy.document, None if old is None else old.document)


async def _version(view: View, number: int) -> PolicyState | None:
    try:
        found: PolicyState = await view.api.policy(version=number)
    except (NotFound, Invalid):
        return None
    return found


async def _mistaken(view: View, mistaken: Mistaken) -> Response:
    if view.form.get("what") in HAS_FORM:
        return form_again(view, view.form, dict(mistaken.mistakes))
    raise Invalid(422, str(mistaken))


def _kept(form: FormData) -> Iterator[tuple[str, str]]:
    for name, value in form.multi_items():
        if name not in OURS and isinstance(value, str):
            yield name, value
