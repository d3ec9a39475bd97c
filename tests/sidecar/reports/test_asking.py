"""`tollkeeper report` and the clients, against the API on a real socket."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import pytest
from pypdf import PdfReader

import tollkeeper
from cli.telling import Tell
from sidecar.api.world import World
from tollkeeper.client import Invalid, NotFound
from tollkeeper.sidecar.reports import formats


def test_a_report_comes_typed_and_exact(world: World, url: str) -> None:
    with tollkeeper.Client(url, world.key("read")) as client:
        assert [kind.name for kind in client.reports().reports][:2] == ["daily", "performance"]
        report = client.report("statement", month="2026-02", tenant="acme")
        assert report.sections[0].figures[0].value == Decimal("9e-9")
        assert report.sections[1].tables[0].columns[0].name == "project"
        assert client.report_file("daily", "pdf", month="2026-03").startswith(b"%PDF-")
        assert client.report_file("daily", "csv", table="by_tenant", month="2026-02").startswith(b"tenant,calls")
        with pytest.raises(NotFound, match="expected one of daily"):
            client.report("nope")
        with pytest.raises(Invalid, match="is not about charges"):
            client.report_file("budgets", "focus")


async def test_the_async_client_has_the_same(world: World, url: str) -> None:
    async with tollkeeper.AsyncClient(url, world.key("read")) as client:
        assert (await client.report("daily", month="2026-02")).title == "Cost summary"
        assert b"<!doctype html>" in await client.report_file("daily", "html", days=3)


def test_kinds_are_listed(tell: Tell) -> None:
    said = tell("report")
    assert said.code == 0
    assert said.rows[-1][:2] == ["statement", "What a tenant is charged; without one, the chargeback to all."]


def test_files_are_written_by_their_names(tell: Tell, tmp_path: Path) -> None:
    for name, begins in (("r.pdf", b"%PDF"), ("r.html", b"<!doctype"), ("r.json", b'{"kind'), ("r.csv", b"date,calls")):
        assert tell("report", "daily", "--month", "2026-03", "-o", str(tmp_path / name)) == (0, "", "")
        assert (tmp_path / name).read_bytes().startswith(begins)
    assert len(list(tmp_path.iterdir())) == 4
    assert "March 2026" in PdfReader(tmp_path / "r.pdf").pages[0].extract_text()


def test_charges_are_written_and_what_is_not_among_them_is_said(tell: Tell, tmp_path: Path) -> None:
    path = tmp_path / "focus.csv"
    said = tell("report", "statement", "--format", "focus", "--since", "2026-03-01", "--until", "2026-03-31",
                "-o", str(path))  # fmt: skip
    assert said == (0, "", "tollkeeper report: not among the charges: calls without a price: 1\n")
    with path.open(newline="") as file:
        assert {row["BillingCurrency"] for row in csv.DictReader(file)} == {"USD"}


def test_a_file_stays_as_it_was_when_there_is_no_report(tell: Tell, tmp_path: Path) -> None:
    path = tmp_path / "kept.pdf"
    path.write_text("kept")
    said = tell("report", "nope", "-o", str(path))
    assert said.code == 1
    assert "kind is 'nope'; expected one of daily" in said.err
    assert path.read_text() == "kept"
    assert list(tmp_path.iterdir()) == [path]


def test_where_no_file_can_be_written_is_said_in_a_line(tell: Tell, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for path, why in ((tmp_path / "nowhere" / "r.html", "No such file"), (tmp_path / "folder", "Is a directory")):
        said = tell("report", "daily", "--month", "2026-03", "-o", str(path))
        assert (said.code, said.err.count("\n")) == (1, 1)
        assert str(path) in said.err
        assert why in said.err


def test_what_is_not_installed_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "NEEDED", ("no_such_module",))
    answer = world.client("read").get("/api/v1/reports/daily", params={"format": "pdf"})
    assert answer.status_code == 501
    assert "pip install 'tollkeeper[reports]'" in answer.json()["error"]["message"]
