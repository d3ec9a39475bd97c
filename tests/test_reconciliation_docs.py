"""What `docs/reconciliation.md` says is so: every field, form and cause is there, and its file is read."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

from tollkeeper.insight.reconcile.account import KINDS, OPTIONS, read_accounts
from tollkeeper.insight.reconcile.cell import CAUSES
from tollkeeper.sidecar.insight.booking import BOOKABLE
from tollkeeper.sidecar.invoices.upload import FORMS

PAGE = (Path(__file__).parents[1] / "docs" / "reconciliation.md").read_text(encoding="utf-8")


def rows(head: str) -> list[list[str]]:
    """The rows of the table that has these columns."""
    _, _, rest = PAGE.partition(f"| {head} |\n")
    table = re.match(r"\|[ |-]+\|\n((?:\|.*\n)+)", rest)
    assert table is not None, head
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[1].splitlines()]


def test_every_field_of_an_account_is_listed_as_it_is() -> None:
    assert rows("field | meaning") == [[f"`{name}`", meaning] for name, meaning in OPTIONS.items()]
    assert [row[0].strip("`") for row in rows("kind | key | asked for | told")] == list(KINDS)


def test_every_form_and_cause_is_listed() -> None:
    assert [row[0].strip("`") for row in rows("form | from")] == list(FORMS)
    booked = {row[0].strip("`"): row[2] == "yes" for row in rows("cause | seen by | booked")}
    assert booked == {cause: cause in BOOKABLE for cause in CAUSES}


def test_its_file_of_accounts_is_read() -> None:
    blocks = [dedent(block) for block in re.findall(r"(?:^(?:    .*)?\n)+", PAGE, re.MULTILINE)]
    openai, claude = read_accounts(next(one for one in blocks if "[accounts." in one).encode(), "docs")
    assert (openai.kind, claude.kind, claude.tolerance.nano_usd) == ("openai", "anthropic", 50_000_000)
