"""The price book: what it says holds when, who said so, and nothing that it said is ever lost."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from pricing.calls import MILLION, at, call
from storage.prices.conftest import Clock
from tollkeeper.model import Usage
from tollkeeper.pricing import Catalog, Overlay, OverlayError
from tollkeeper.storage.audit import AuditQuery, AuditTrail
from tollkeeper.storage.database import Database
from tollkeeper.storage.prices import HistoryQuery, PriceBook, PriceConflict, UnknownRow

BY: dict[str, Any] = {"author": "ada", "reason": "contract of 2026"}
GPT = {"provider": "openai", "model": "gpt-4o", "input": "2.50", "output": "10"}
ONE_IN = Usage(input_tokens=MILLION, output_tokens=0)


def price_at(book: PriceBook, *when: int, **fields: Any) -> tuple[Decimal | None, str | None]:
    """What a million tokens in cost then, and the version that says so."""
    cost, _ = Catalog(book.overlay()).price(call("openai", "gpt-4o", ONE_IN, started_at=at(*when), **fields))
    return (None, None) if cost is None else (cost.usd, cost.price_version)


def test_a_price_holds_from_the_moment_it_is_said(book: PriceBook, clock: Clock) -> None:
    before = price_at(book, 2026, 11, 20, 11, 59)
    version = book.add("price", GPT | {"input": "2.00"}, **BY)
    assert version._replace(hash="") == (
        1, 1, "price", {"provider": "openai", "model": "gpt-4o", "input": "2", "output": "10"}, False, clock.now, None,
        clock.now, "ada", "contract of 2026", "", None, "",
    )  # fmt: skip
    assert price_at(book, 2026, 11, 20, 11, 59) == before
    assert price_at(book, 2026, 11, 20, 12) == (2, "price 1")


def test_a_change_leaves_the_past_as_it_was(book: PriceBook, clock: Clock) -> None:
    book.add("price", GPT | {"valid_from": "2026-01-01"}, **BY)
    clock.set(2026, 12, 1, 9, 30)
    changed = book.change(
        1, {"input": "3", "cache_read": Decimal("0.30")}, author="bob", reason="dearer", source="mail"
    )
    assert (changed.id, changed.row, changed.replaces, changed.source) == (2, 1, 1, "mail")
    assert changed.content == GPT | {"input": "3", "cache_read": "0.3"}
    assert price_at(book, 2026, 12, 1, 9, 29) == (Decimal("2.5"), "price 1")
    assert price_at(book, 2026, 12, 1, 9, 30) == (3, "price 2")
    assert [span.version.id for span in book.current(at(2026, 6, 1))] == [1]
    assert [span.version.id for span in book.current()] == [2]
    book.change(1, {"cache_read": None}, **BY)
    assert book.current()[0].version.content == GPT | {"input": "3"}


def test_a_scheduled_change_needs_nothing_to_run(book: PriceBook, clock: Clock) -> None:
    book.add("price", GPT | {"valid_from": "2026-01-01"}, **BY)
    book.schedule(1, {"input": "5", "valid_from": "2027-01-01T00:00:00+01:00"}, **BY)
    assert price_at(book, 2026, 12, 31, 22, 59) == (Decimal("2.5"), "price 1")
    assert price_at(book, 2026, 12, 31, 23) == (5, "price 2")
    # A change before that leaves it in place.
    clock.set(2026, 12, 1)
    book.change(1, {"input": "2"}, **BY)
    assert [price_at(book, *when)[0] for when in ((2026, 11, 30), (2026, 12, 2), (2027, 1, 2))] == [
        Decimal("2.5"), 2, 5,
    ]  # fmt: skip
    for moment in (None, "2026-11-30", "2026-12-01T00:00:00Z"):
        with pytest.raises(OverlayError, match=r"price\.valid_from: .*; expected a moment that is yet to come"):
            book.schedule(1, {"input": "9", "valid_from": moment}, **BY)


def test_a_scheduled_change_can_be_cancelled_until_it_comes(book: PriceBook, clock: Clock) -> None:
    book.add("price", GPT | {"valid_from": "2026-01-01"}, **BY)
    book.schedule(1, {"input": "5", "valid_from": "2027-01-01"}, **BY)
    book.schedule(1, {"input": "6", "valid_from": "2027-02-01"}, **BY)
    cancelled = book.cancel(2, author="bob", reason="talked it over")
    assert cancelled.replaces == 2
    assert [price_at(book, 2027, month, 2)[0] for month in (1, 2)] == [Decimal("2.5"), 6]
    with pytest.raises(PriceConflict, match="nothing to cancel"):
        book.cancel(2, **BY)
    clock.set(2027, 2, 1)
    with pytest.raises(PriceConflict, match="nothing to cancel"):
        book.cancel(3, **BY)
    with pytest.raises(UnknownRow, match="no version 9"):
        book.cancel(9, **BY)
    book.withdraw(1, **BY, at=at(2027, 3, 1))
    assert price_at(book, 2027, 3, 1)[1] != "price 3"
    book.cancel(5, **BY)
    assert price_at(book, 2027, 3, 1)[0] == 6


def test_a_new_row_that_is_scheduled_can_be_cancelled(book: PriceBook) -> None:
    book.add("price", GPT | {"valid_from": "2027-01-01"}, **BY)
    book.cancel(1, **BY)
    assert book.timeline() == []


def test_a_withdrawn_price_is_the_catalogues_again(book: PriceBook, clock: Clock) -> None:
    book.add("price", GPT | {"input": "2", "valid_from": "2026-01-01"}, **BY)
    book.schedule(1, {"input": "5", "valid_from": "2027-01-01"}, **BY)
    with pytest.raises(PriceConflict, match="not at version 2"):
        book.withdraw(1, **BY, expected=2)
    withdrawn = book.withdraw(1, **BY, expected=1)
    assert (withdrawn.withdrawn, withdrawn.replaces) == (True, 1)
    assert price_at(book, 2026, 11, 20, 11)[0] == 2
    for when in ((2026, 11, 20, 12), (2027, 1, 2)):
        assert price_at(book, *when)[1].startswith("genai-prices ")  # type: ignore[union-attr]
    with pytest.raises(PriceConflict, match="withdrawn already"):
        book.withdraw(1, **BY)
    clock.set(2026, 12, 1)
    book.change(1, {"input": "4"}, **BY)
    assert [price_at(book, 2026, month, 30)[1] for month in (9, 12)] == ["price 1", "price 4"]


def test_what_was_believed_on_a_day_can_be_asked(book: PriceBook, clock: Clock) -> None:
    book.add("price", GPT | {"valid_from": "2026-01-01"}, **BY)
    then = clock.now
    clock.set(2026, 12, 1)
    book.change(1, {"input": "2.4", "valid_from": "2026-06-01", "valid_to": "2026-06-30"}, **BY)
    assert [price_at(book, 2026, 6, day)[0] for day in (1, 30)] == [Decimal("2.4")] * 2
    assert [price_at(book, *when)[0] for when in ((2026, 5, 31, 23), (2026, 7, 1))] == [Decimal("2.5")] * 2
    june = at(2026, 6, 15)
    assert [span.version.id for span in book.current(june)] == [2]
    assert [span.version.id for span in book.current(june, known_at=then)] == [1]
    assert book.current(june, known_at=then - 1000) == []
    assert (book.overlay(then).name, book.overlay().name) == ("price book 1", "price book 2")


def test_a_time_is_not_said_twice_about_the_same_calls(book: PriceBook) -> None:
    book.add("price", GPT | {"valid_from": "2026-01-01", "valid_to": "2026-06-30"}, **BY)
    with pytest.raises(PriceConflict, match="row 1 is about the same calls"):
        book.add("price", GPT | {"model": "GPT-4o", "valid_from": "2026-06-30"}, **BY)
    for other in (
        {"valid_from": "2026-07-01"}, {"valid_from": "2026-01-01", "context": {"service_tier": "scale"}},
        {"valid_from": "2026-01-01", "model": "gpt-4o-mini"},
    ):  # fmt: skip
        book.add("price", GPT | other, **BY)
    book.add("discount", {"provider": "openai", "percent": 5}, **BY)
    book.add("discount", {"provider": "openai", "percent": 7, "tenant": "acme"}, **BY)
    with pytest.raises(PriceConflict, match="row 4"):
        book.change(1, {"model": "gpt-4o-mini"}, **BY)
    assert book.revision() == 6


def test_the_row_that_says_it_more_precisely_wins(book: PriceBook) -> None:
    for provider, model, amount in (
        ("*", "gpt-*", 1), ("openai", "*", 2), ("openai", "gpt-4*", 3), ("openai", "gpt-4o", 4),
        ("*", "gpt-4o-mini", 5), ("openai", "gpt-4-*", 6),
    ):  # fmt: skip
        book.add("price", {"provider": provider, "model": model, "input": amount, "valid_from": "2026-01-01"}, **BY)
    catalog = Catalog(book.overlay())
    for provider, model, amount in (
        ("openai", "gpt-4o", 4), ("openai", "gpt-4o-mini", 5), ("openai", "gpt-4-turbo", 6), ("openai", "gpt-4.1", 3),
        ("openai", "o3", 2), ("azure.ai.openai", "gpt-9", 1),
    ):  # fmt: skip
        cost, _ = catalog.price(call(provider, model, ONE_IN))
        assert cost is not None
        assert cost.usd == amount, (provider, model)


def test_aliases_and_discounts_say_which_version_they_are(book: PriceBook) -> None:
    always: Mapping[str, Any] = {"valid_from": "2026-01-01"}
    book.add("alias", {"provider": "azure.ai.openai", "model": "team-a", "is": "gpt-4o", **always}, **BY)
    book.add("discount", {"provider": "azure.ai.openai", "model": "gpt-4o", "percent": "12.5", **always}, **BY)
    catalog = Catalog(book.overlay())
    cost, _ = catalog.price(call("azure.ai.openai", "team-a", ONE_IN))
    assert cost is not None
    assert cost.usd == Decimal("2.5") * Decimal("0.875")
    assert cost.price_version is not None
    assert cost.price_version.endswith(", discount 2, alias 1")
    assert cost.price_version.startswith("genai-prices ")


def test_free_and_priced_take_each_others_place(book: PriceBook) -> None:
    book.add("price", GPT, **BY)
    assert book.change(1, {"free": True}, **BY).content == {"provider": "openai", "model": "gpt-4o", "free": True}
    assert "free" not in book.change(1, {"input": "1"}, **BY).content


def test_all_that_is_wrong_is_told_at_once_and_nothing_is_written(book: PriceBook, database: Database) -> None:
    with pytest.raises(OverlayError) as caught:
        book.add_all(
            [
                ("price", {"model": "m\0", "inptu": 1, "input": -1, "output": 0.1, "valid_from": "soon"}),
                ("alias", {"model": "x" * 300, "version": "7"}),
                ("discount", {"percent": "101", "tenant": "", "valid_from": "2026-02-01", "valid_to": "2026-01-01"}),
                ("prize", {}),
            ],
            author=" ",
            reason="r\0",
        )
    told = str(caught.value).splitlines()
    assert all(line.startswith("price book: ") for line in told)
    for place in (
        "author: ' '; expected a text", "reason: 'r\\x00'; expected", "price.model: 'm\\x00'; expected",
        "price.inptu: 1;", "price.input: -1;", "price.output: 0.1; expected a number that is not negative",
        "price.valid_from: 'soon';",
        "alias.model: 'xxx", "alias.version: '7'; expected none", "alias.is: missing", "discount.percent: '101'",
        "discount.tenant: ''", "discount.valid_to: 2026-01-01; expected a day not before valid_from",
        "kind: 'prize'; expected price or alias or discount",
    ):  # fmt: skip
        assert any(place in line for line in told), (place, told)
    with pytest.raises(OverlayError, match=r"valid_to: '2026-01-02T00:00:00Z'; expected a moment after 2026-11-20T12"):
        book.add("price", GPT | {"valid_to": "2026-01-01"}, **BY)
    for wrong in (lambda: book.change(5, {}, **BY), lambda: book.withdraw(5, **BY)):
        with pytest.raises(UnknownRow, match="no row 5"):
            wrong()
    book.add("price", GPT, **BY)
    with pytest.raises(OverlayError, match=r"price: missing; expected at least one price"):
        book.change(1, {"input": None, "output": None}, **BY)
    with pytest.raises(PriceConflict, match="row 1"):
        book.add_all([("price", {"model": "new", "free": True}), ("price", GPT)], **BY)
    assert book.revision() == 1
    assert len(AuditTrail(database).entries()[0]) == 1


def test_every_change_is_audited(book: PriceBook, database: Database) -> None:
    book.add("price", GPT | {"valid_from": "2026-01-01"}, **BY)
    changed = book.change(1, {"input": "3"}, author="bob", reason="dearer")
    book.schedule(1, {"input": "4", "valid_from": "2027-01-01"}, **BY)
    book.cancel(3, **BY)
    book.withdraw(1, **BY)
    trail = AuditTrail(database)
    entries, _ = trail.entries(AuditQuery(kind="price", object_id="1"))
    assert [entry.action for entry in entries] == ["withdraw", "cancel", "schedule", "change", "add"]
    change = entries[3]
    assert (change.author, change.reason) == ("bob", "dearer")
    assert (change.before["content"]["input"], change.after["content"]["input"]) == ("2.5", "3")
    assert change.after["hash"] == changed.hash
    assert entries[-1].before is None
    assert trail.verify().broken_at is None


def test_history_is_paged_and_filtered(book: PriceBook) -> None:
    book.add("price", GPT | {"valid_from": "2026-01-01"}, **BY)
    book.add("alias", {"model": "a", "is": "gpt-4o"}, **BY)
    for amount in range(5):
        book.change(1, {"input": amount}, **BY)
    first, cursor = book.history(HistoryQuery(row=1, limit=4))
    rest, end = book.history(HistoryQuery(row=1, limit=4, after=cursor))
    assert [version.id for version in (*first, *rest)] == [7, 6, 5, 4, 3, 1]
    assert end is None
    assert [version.id for version in book.history(HistoryQuery(kind="alias"))[0]] == [2]
    assert [version.id for version in book.history(HistoryQuery(model="gpt-4o"))[0]] == [7, 6, 5, 4, 3, 1]
    assert book.history(HistoryQuery(tenant="acme")) == ([], None)
    with pytest.raises(ValueError, match="no cursor"):
        book.history(HistoryQuery(after="x"))


def test_nothing_said_can_be_unsaid(book: PriceBook, database: Database) -> None:
    for amount in range(3):
        book.add("price", GPT | {"model": f"m{amount}"}, **BY)
    for statement in ("UPDATE price_versions SET author = 'eve'", "DELETE FROM price_versions"):
        with pytest.raises(DBAPIError, match="append-only"), database.write() as connection:
            connection.execute(text(statement))
    assert book.broken() == []
    unlock = (
        ["DROP TRIGGER price_versions_no_update", "DROP TRIGGER price_versions_no_delete"]
        if database.is_sqlite
        else ["DROP TRIGGER price_versions_append_only ON price_versions"]
    )
    with database.write() as connection:
        for statement in (*unlock, "UPDATE price_versions SET reason = '' WHERE id = 3",
                          "DELETE FROM price_versions WHERE id = 1"):  # fmt: skip
            connection.execute(text(statement))
    assert book.broken() == [1, 3]


def test_the_revision_changes_with_each_change_in_every_process(database_url: str, book: PriceBook) -> None:
    elsewhere = PriceBook(Database(database_url))
    assert elsewhere.revision() == 0
    for number in range(1, 4):
        book.add("price", GPT | {"model": f"m{number}"}, **BY)
        assert elsewhere.revision() == book.revision() == number
    book.close()
    assert book.revision() == 3, "it is read again through a new connection"
    elsewhere.close()


def test_the_revision_outlives_its_connection(book: PriceBook, database: Database) -> None:
    book.add("price", GPT, **BY)
    assert book.revision() == 1
    book._revision._cursor.connection.close()
    assert book.revision() == 1


def test_two_who_write_at_once_both_write(database_url: str, database: Database, clock: Clock) -> None:
    books = [PriceBook(Database(database_url), clock) for _ in range(2)]
    books[0].add("price", GPT | {"valid_from": "2026-01-01"}, **BY)

    def work(number: int) -> None:
        book = books[number % 2]
        if number < 10:
            book.change(1, {("input", "output")[number % 2]: number + 1}, **BY)
        else:
            book.add("price", GPT | {"model": f"m{number}"}, **BY)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(20)))
    book = books[0]
    versions = book.history(HistoryQuery(limit=100))[0]
    assert [version.id for version in versions] == list(range(21, 0, -1))
    of_row = [version for version in reversed(versions) if version.row == 1]
    assert [version.replaces for version in of_row] == [None, *(version.id for version in of_row[:-1])]
    # Each took the other's field as it was by then.
    last = {of_row[-1].content["input"], of_row[-1].content["output"]}
    evens, odds = ({str(n + 1) for n in range(start, 10, 2)} for start in (0, 1))
    assert last & evens
    assert last & odds
    assert AuditTrail(database).verify() == (21, AuditTrail(database).verify().head, None)
    assert len({version.hash for version in versions}) == 21


def test_of_two_who_change_the_same_version_one_is_told(database_url: str, book: PriceBook) -> None:
    book.add("price", GPT, **BY)
    other = PriceBook(Database(database_url))
    book.change(1, {"input": "3"}, **BY, expected=1)
    with pytest.raises(PriceConflict, match="not at version 1 any more"):
        other.change(1, {"input": "4"}, **BY, expected=1)
    assert book.current()[0].version.content["input"] == "3"


def test_a_clock_that_goes_back_does_not_change_what_was_known(book: PriceBook, clock: Clock) -> None:
    book.add("price", GPT | {"valid_from": "2026-01-01"}, **BY)
    recorded = clock.now
    clock.set(2026, 11, 20, 11)
    assert book.change(1, {"input": "3"}, **BY).recorded_at == recorded
    assert len(book.timeline(recorded - 1000)) == 0


def test_the_book_as_a_document_says_the_same(book: PriceBook) -> None:
    book.add("price", GPT | {"per_search": "0.01", "context": {"service_tier": "scale"}}, **BY)
    book.add("price", {"provider": "vllm", "free": True, "valid_to": datetime(2027, 1, 1, 0, 0, 0, 5, UTC)}, **BY)
    book.add("alias", {"model": 'a"\\b', "is": "ünï\x7e", "is_provider": "openai"}, **BY)
    book.add("discount", {"percent": "33.3333", "tenant": "acme"}, **BY)
    book.schedule(1, {"input": "9", "valid_from": "2027-01-01T10:20:30.123456Z"}, **BY)
    overlay = book.overlay()
    assert len(overlay.prices) == 3
    assert Overlay.parse_json(overlay.to_json(), "doc") == overlay
    assert Overlay.parse(overlay.to_toml(), "doc") == overlay


def test_rows_that_are_added_together_must_not_contradict_each_other(book: PriceBook) -> None:
    with pytest.raises(PriceConflict, match="row 1"):
        book.add_all([("price", GPT), ("price", GPT | {"input": "3"})], **BY)
    added = book.add_all([("price", GPT | {"model": f"m{number}"}) for number in range(20)], **BY)
    assert [version.row for version in added] == list(range(1, 21))
    assert len(book.current()) == 20


def test_a_forked_child_asks_through_its_own_connection(book: PriceBook) -> None:
    book.add("price", GPT, **BY)
    assert book.revision() == 1
    mine = book._revision._cursor.connection
    read, write = os.pipe()
    if os.fork() == 0:
        try:
            told = book.revision()
            os.write(write, f"{told} {book._revision._cursor.connection is not mine}".encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as child:
        assert child.read() == "1 True"
    os.wait()
    assert book.revision() == 1
    assert book._revision._cursor.connection is mine
