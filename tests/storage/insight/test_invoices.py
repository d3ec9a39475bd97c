"""Invoice lines in SQLite and PostgreSQL: each once, what they said before, and exact amounts."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import func, select

from tollkeeper.insight.reconcile.line import InvoiceLine
from tollkeeper.storage.audit import AuditTrail
from tollkeeper.storage.database import Database
from tollkeeper.storage.insight.invoices import Imported, Invoices, Told
from tollkeeper.storage.insight.tables import INVOICE_LINES

MONDAY, TUESDAY = date(2026, 9, 14), date(2026, 9, 15)
AT = 1_789_516_800 * 10**9
SOURCE = "openai"
EXACT = Decimal("0.003835980000000000000000000001")


@pytest.fixture
def invoices(database: Database) -> Invoices:
    return Invoices(database, lambda: AT)


def line(day: date = MONDAY, model: str = "gpt-4o", amount: str = "1.5", tokens: int | None = 3) -> InvoiceLine:
    return InvoiceLine(
        SOURCE, "openai", day, "cost", model, "input", tokens=tokens, amount=Decimal(amount), raw={"said": [1, "ü"]}
    )


def keep(invoices: Invoices, *lines: InvoiceLine, whole: bool = True) -> Imported:
    days = {(SOURCE, "openai", day) for day in (MONDAY, TUESDAY)}
    return invoices.keep(lines, days, whole=whole, author="sidecar")


def test_a_line_is_imported_once_and_comes_back_as_it_was(database: Database, invoices: Invoices) -> None:
    exact = line(amount=str(EXACT))._replace(requests=7, tier="batch", project="p", key="k", label="l")
    assert keep(invoices, exact, line(TUESDAY)) == Imported(new=2)
    assert keep(invoices, exact, line(TUESDAY)) == Imported(unchanged=2)
    assert invoices.lines("openai", MONDAY, MONDAY) == [exact]
    assert invoices.lines("openai", MONDAY, MONDAY)[0].amount == EXACT
    assert invoices.lines("anthropic", MONDAY, TUESDAY) == []
    told = [Told(SOURCE, "openai", day, AT) for day in (MONDAY, TUESDAY)]
    assert invoices.days(MONDAY, TUESDAY) == told
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(INVOICE_LINES)).scalar() == 2


def test_what_is_told_otherwise_later_takes_its_place_and_the_former_stays(invoices: Invoices) -> None:
    keep(invoices, line(amount="1.0"), line(TUESDAY))
    assert keep(invoices, line(amount="1.25"), line(TUESDAY)) == Imported(changed=1, unchanged=1)
    assert [each.amount for each in invoices.lines("openai", MONDAY, MONDAY)] == [Decimal("1.25")]
    # The same amount, written otherwise, is no change.
    assert keep(invoices, line(amount="1.2500"), line(TUESDAY)) == Imported(unchanged=2)
    assert keep(invoices, line(TUESDAY)) == Imported(unchanged=1, gone=1)
    assert invoices.lines("openai", MONDAY, MONDAY) == []
    assert keep(invoices, line(amount="1.75"), line(TUESDAY)) == Imported(new=1, unchanged=1)
    amounts = [each.amount for each in invoices.history(line().id)]
    assert amounts == [Decimal("1.75"), Decimal("1.25"), Decimal("1")]


def test_a_part_of_what_a_source_has_takes_nothing_away(invoices: Invoices) -> None:
    keep(invoices, line(), line(TUESDAY))
    assert keep(invoices, line(model="gpt-5"), whole=False) == Imported(new=1)
    assert len(invoices.lines("openai", MONDAY, TUESDAY)) == 3


def test_an_upload_is_planned_without_a_trace_and_audited_when_done(database: Database, invoices: Invoices) -> None:
    lines = [line(), line(TUESDAY)]
    assert invoices.plan(lines) == Imported(new=2)
    assert invoices.lines("openai", MONDAY, TUESDAY) == []
    assert invoices.upload(lines, author="ada", reason="August") == Imported(new=2)
    assert invoices.plan(lines) == Imported(unchanged=2)
    (entry,), _ = AuditTrail(database).entries()
    assert (entry.author, entry.action, entry.kind, entry.reason) == ("ada", "import", "invoice", "August")
    assert entry.after["first_day"] == "2026-09-14"


def test_text_that_no_database_holds_is_cleaned(invoices: Invoices) -> None:
    keep(invoices, line(model="gpt\x00-\ud800"))
    (kept,) = invoices.lines("openai", MONDAY, MONDAY)
    assert kept.model.startswith("gpt")
    assert keep(invoices, line(model="gpt\x00-\ud800")) == Imported(unchanged=1)


def test_a_name_that_no_database_holds_is_kept_as_it_can_be(invoices: Invoices) -> None:
    assert invoices.upload([line()._replace(provider="a\x00b")], author="ada", reason="a test").new == 1
    (told,) = invoices.days(MONDAY, MONDAY)
    (kept,) = invoices.lines(told.provider, MONDAY, MONDAY)
    assert kept.provider == told.provider and "\x00" not in told.provider
