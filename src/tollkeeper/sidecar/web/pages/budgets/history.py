"""Every version of the policy: who has put it in force, when and why, and what it changed."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from tollkeeper.client.standings import PolicyState
from tollkeeper.policy.document import Document
from tollkeeper.sidecar.web.pages.budgets.difference import NOTHING, Row, as_toml, differences, line_differences
from tollkeeper.sidecar.web.pages.budgets.tabs import TABS, TITLE
from tollkeeper.sidecar.web.view import View

A_PAGE = 15


@dataclass(frozen=True, slots=True)
class Version:
    """One version, and how it differs from the one before."""

    state: PolicyState
    rows: list[Row]
    lines: list[str]
    text: str


async def history(view: View) -> Response:
    """The tab."""
    found = await view.api.policy_history(cursor=view.request.query_params.get("cursor"), limit=A_PAGE)
    policy = await view.api.policy()
    before: Document = NOTHING
    if found.next_cursor is not None:
        older = await view.api.policy_history(cursor=found.next_cursor, limit=1)
        before = older.versions[0].document if older.versions else NOTHING
    documents = [*(each.document for each in found.versions[1:]), before]
    versions = [_version(each, was) for each, was in zip(found.versions, documents, strict=False)]
    return view.page(
        "budgets_history.html", title=TITLE, tabs=TABS, tab="history", versions=versions, policy=policy,
        next_cursor=found.next_cursor,
    )  # fmt: skip


def _version(state: PolicyState, was: Document) -> Version:
    now = state.document
    return Version(state, differences(was, now), line_differences(was, now), as_toml(now))
