"""One figure is the same on every page, in every chart and file, and in the API."""

from __future__ import annotations

import csv
import io
from collections import Counter
from decimal import Decimal

import httpx
import pytest

from sidecar.web.browser.looking import Tab
from sidecar.web.browser.site import Site

RANGES = {
    "": {"start": "2026-02-17", "end": "2026-03-18"},
    "range=7d&zone=Asia/Kolkata": {"start": "2026-03-12", "end": "2026-03-18", "zone": "Asia/Kolkata"},
    "range=month&tenant=acme": {"start": "2026-03-01", "end": "2026-03-18", "tenant": "acme"},
    "range=last-month&model=gpt-4o": {"start": "2026-02-01", "end": "2026-02-28", "model": "gpt-4o"},
}


def values(tab: Tab, within: str) -> Counter[Decimal]:
    """The exact figures that are shown there."""
    shown = tab.page.eval_on_selector_all(f"{within} data.number", "all => all.map(each => each.value)")
    return Counter(Decimal(value) for value in shown if value)


@pytest.mark.parametrize("query", RANGES)
def test_totals_are_those_of_the_api_on_every_page(at_company: Tab, company_site: Site, query: str) -> None:
    usage = company_site.client.usage(**RANGES[query])
    assert usage.total_cost is not None
    cost, calls = usage.total_cost, usage.total_calls
    for path in ("/", "/requests"):
        at_company.open(f"{path}?{query}")
        shown = values(at_company, "main")
        assert shown[cost] and shown[Decimal(calls)], f"{path}: {cost} and {calls} are not among {dict(shown)}"
    at_company.open(f"/?{query}")
    drawn = at_company.page.evaluate(DRAWN_SUM)
    assert drawn == pytest.approx(float(cost)), "what the chart is drawn from"
    link = at_company.page.locator("a[download]").first.get_attribute("href")
    rows = list(csv.DictReader(io.StringIO(httpx.get(company_site.url + str(link), timeout=30).text)))
    assert sum(Decimal(row["cost"] or 0) for row in rows) == cost, "the file beside it"
    at_company.assert_well()


def test_what_is_ranked_adds_up(at_company: Tab, company_site: Site) -> None:
    at_company.open("/?by=model")
    found = company_site.client.usage(start="2026-02-17", end="2026-03-18", group_by="model")
    shown = values(at_company, "main table")
    for group in found.groups:
        if group.cost is not None:
            assert shown[group.cost], f"{group.group}: {group.cost}"
    assert len(found.groups) > 4


DRAWN_SUM = """() => {
  const chart = JSON.parse(document.querySelector('[data-chart] script').textContent);
  const values = chart.lines.filter(line => !line.dashed).flatMap(line => line.values);
  return values.reduce((sum, value) => sum + (value || 0), 0);
}"""
