"""Pages and PDFs: every name is in them as it is, and does nothing; and many rows are no trouble."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from csv import reader
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader

from sidecar.api.world import World
from sidecar.reports.conftest import NAMES
from tollkeeper.sidecar.reports.charts import Box, Stroke, Words, draw, ticks_of
from tollkeeper.sidecar.reports.document import Chart, Column, Figure, Line, Report, Section, Snippet, Table
from tollkeeper.sidecar.reports.renderings import csv, html, json, pdf

NOW = datetime(2026, 4, 2, 9, 30, tzinfo=UTC)


def report_of(*tables: Table, **parts: object) -> Report:
    section = Section("Summary", tables=tables, **parts)  # type: ignore[arg-type]
    return Report("daily", "Cost summary", "", datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC),
                  "UTC", NOW, [section])  # fmt: skip


def of_names(names: Iterator[str] | tuple[str, ...]) -> Table:
    columns = (Column("tenant", "Tenant", "text"), Column("cost", "Cost", "money"))
    return Table("by_tenant", "By tenant", columns, [(name, number * 10**7) for number, name in enumerate(names)])


def pages(content: bytes) -> list[str]:
    return [page.extract_text() for page in PdfReader(io.BytesIO(content)).pages]


def squeezed(text: str) -> str:
    """Without what wrapping puts between letters."""
    return re.sub(r"\s", "", text)


def test_names_in_every_script_are_in_the_pdf(world: World) -> None:
    answer = world.client("read").get("/api/v1/reports/statement", params={"month": "2026-03", "format": "pdf"})
    assert answer.headers["content-type"] == "application/pdf"
    text = squeezed("".join(pages(answer.content)))
    for name in NAMES:
        assert squeezed(name) in text, name
    assert "March2026(UTC),asof2026-03-3114:30UTC" in text


def test_another_reader_finds_them_too(tmp_path: Path) -> None:
    reader = shutil.which("pdftotext")
    if reader is None:
        pytest.skip("poppler-utils is not installed; what pypdf finds is tested in any case")
    path = tmp_path / "names.pdf"
    path.write_bytes(pdf.rendered(report_of(of_names(NAMES))))
    done = subprocess.run([reader, "-layout", str(path), "-"], capture_output=True, text=True, check=True, timeout=30)
    text = squeezed(re.sub("[\u202a-\u202e\u2066-\u2069]", "", done.stdout))
    for name in NAMES[:6] + NAMES[7:-1]:
        assert squeezed(name) in text, name


def test_a_font_of_ones_own_is_used_and_a_wrong_one_refused(tmp_path: Path) -> None:
    ours = Path(pdf.__file__).parents[1] / "fonts" / "DejaVuSans-Bold.ttf"
    own = tmp_path / "own.ttf"
    own.write_bytes(ours.read_bytes())
    assert "🚀" in pages(pdf.rendered(report_of(of_names(("🚀",))), [str(own)]))[0]
    own.write_text("no font")
    with pytest.raises(ValueError, match="cannot be used; expected a TrueType file"):
        pdf.rendered(report_of(), [str(tmp_path / "none.ttf")])


def test_ten_thousand_rows() -> None:
    table = of_names(tuple(f"tenant {number}" for number in range(10_000)))
    began = time.process_time()
    content = pdf.rendered(report_of(table))
    page = html.rendered(report_of(table))
    assert time.process_time() - began < 30
    assert len(content) < 5_000_000
    found = PdfReader(io.BytesIO(content))
    last = found.pages[-1].extract_text()
    assert len(found.pages) > 150
    assert "Tenant" in last and "Cost" in last, "the heading comes again"
    assert "tenant 9999" in last and "$99.99" in last
    assert f"Page {len(found.pages)}" in last
    assert page.count(b"<tr>") == 10_001
    assert len(list(csv.lines(table))) == 10_001


class Seen(HTMLParser):
    """Which elements there are, and what is said in them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_page_stands_alone_and_names_do_nothing(world: World) -> None:
    answer = world.client("read").get("/api/v1/reports/statement", params={"month": "2026-03", "format": "html"})
    seen = Seen()
    seen.feed(answer.text)
    names = {tag for tag, _ in seen.tags}
    assert not names & {"script", "link", "img", "iframe", "object"}
    assert not any("http" in (value or "") for _, given in seen.tags for value in given.values())
    for name in NAMES:
        assert name in seen.text
    assert "default-src 'none'" in answer.text
    assert '<html lang="en">' in answer.text


def test_a_page_can_be_read_to_somebody() -> None:
    chart = Chart("Cost by day", "columns", "money", ["1 Mar"], [Line("openai", [10**9])])
    page = html.rendered(report_of(of_names(NAMES), charts=[chart])).decode()
    seen = Seen()
    seen.feed(page)
    heads = [given for tag, given in seen.tags if tag == "th"]
    assert heads and all(given["scope"] in ("col", "row") for given in heads)
    assert [tag for tag, _ in seen.tags].count("h1") == 1
    (drawn,) = [given for tag, given in seen.tags if tag == "svg"]
    assert drawn["role"] == "img"
    assert drawn["aria-label"] == "Cost by day. 1 Mar, openai: $1.00"
    ElementTree.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])  # noqa: S314  our own


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "＝1"])
def test_no_cell_is_run_as_a_formula(name: str) -> None:
    content = csv.rendered(of_names((name,))).decode()
    (row,) = list(reader(io.StringIO(content, newline="")))[1:]
    assert row == [f"'{name}", "0"]


def test_unknown_is_unknown_everywhere() -> None:
    table = Table("t", "T", (Column("name", "Name", "text"), Column("cost", "Cost", "money")), [("a", None)])
    report = report_of(table, figures=[Figure("Cost", None, "money")])
    assert ">unknown<" in html.rendered(report).decode()
    assert pages(pdf.rendered(report))[0].count("unknown") == 2
    assert csv.rendered(table) == b"name,cost\r\na,\r\n"
    assert b'"rows":[["a",null]]' in json.rendered(report)


def test_snippets_keep_their_lines() -> None:
    report = report_of(snippets=[Snippet("In the policy file", '[[limit]]\nname = "<x>"')])
    assert "[[limit]]\nname = &#34;&lt;x&gt;&#34;" in html.rendered(report).decode()
    assert "[[limit]]" in pages(pdf.rendered(report))[0]


@given(st.lists(st.one_of(st.none(), st.integers(-(10**15), 10**15)), min_size=1, max_size=40))
def test_charts_stay_in_their_frame(values: list[int | None]) -> None:
    labels = [str(number) for number in range(len(values))]
    for style in ("columns", "lines", "bars"):
        chart = Chart("C", style, "money", labels, [Line("x", values)])  # type: ignore[arg-type]
        drawing = draw(chart, 500)
        for shape in drawing.shapes:
            if isinstance(shape, Box):
                assert shape.x >= -0.01 and shape.x + shape.width <= drawing.width + 0.01
                assert shape.y >= -0.01 and shape.y + shape.height <= drawing.height + 0.01
            elif isinstance(shape, Words):
                assert 0 <= shape.y <= drawing.height
            elif isinstance(shape, Stroke):
                assert all(-0.01 <= y <= drawing.height for _, y in shape.points)


@given(st.floats(1e-9, 1e18))
def test_an_axis_begins_at_zero_and_has_few_round_ticks(highest: float) -> None:
    ticks = ticks_of(highest, "number")
    assert ticks[0] == 0
    assert ticks[-1] >= highest * 0.999
    assert 2 <= len(ticks) <= 7
