"""Prices, from the form to what calls cost and who said so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from services.databases import SqliteTemplate
from sidecar.api.world import NOW, World, make_call, unpriced
from sidecar.web.browser.looking import Tab, see
from sidecar.web.browser.site import Site, standing
from tollkeeper.model import Usage
from tollkeeper.storage.prices.pricer import Pricer

WHY = re.compile("^Why")


@pytest.fixture
def site(tmp_path: Path, sqlite_template: SqliteTemplate) -> Iterator[Site]:
    """A sidecar that has seen two calls of a model that nobody knows the price of, for one test."""
    world = World(sqlite_template.copy_to(tmp_path / "ledger.db"), open_on_loopback=True)
    own = {"request_model": "acme-tuned"}
    world.record(make_call(1), unpriced(2, **own), unpriced(3, at=NOW - timedelta(days=3), **own))
    with standing(world) as made:
        yield made


def say(page: Page, input: str, output: str) -> None:
    """What a model costs, in the form."""
    page.get_by_role("textbox", name="Input $", exact=True).fill(input)
    page.get_by_role("textbox", name="Output $", exact=True).fill(output)


def test_a_price_is_scheduled_and_holds_from_then_on(tab: Tab, site: Site) -> None:
    page = tab.page
    tab.open("/pricing/edit?for_provider=openai&for_model=gpt-4o")
    say(page, "2", "8")
    page.get_by_role("radio", name="From tomorrow on 1 Apr 2026").check()
    page.get_by_role("button", name="Review").click()
    expect(page.get_by_role("row", name=re.compile("^Input"))).to_contain_text("$2.00")
    page.get_by_role("textbox", name=WHY).fill("The new price list")
    page.get_by_role("button", name="Schedule").click()
    tab.open("/pricing?tab=scheduled")
    expect(page.get_by_role("region", name=re.compile("gpt-4o"))).to_contain_text("The new price list")
    see(tab)
    assert record(site, 10) == Decimal("0.0035"), "nothing has changed yet"
    site.world.clock.now = NOW + timedelta(days=1)
    assert record(site, 11) == Decimal("0.0028")
    tab.open("/pricing?tab=scheduled")
    expect(page.get_by_role("region", name=re.compile("gpt-4o"))).to_have_count(0)
    tab.open("/pricing")
    expect(row_of(page, "gpt-4o")).to_contain_text("$2.00")
    tab.open("/settings?tab=audit")
    expect(page.get_by_text("The new price list").first).to_be_visible()


def test_a_model_that_is_named_in_the_form_brings_its_prices(tab: Tab, site: Site) -> None:
    page = tab.page
    tab.open("/pricing/edit")
    page.get_by_role("combobox", name="Provider").fill("openai")
    page.get_by_role("combobox", name="Model").fill("gpt-4o")
    expect(page.get_by_role("textbox", name="Cache read $", exact=True)).to_have_value("1.25")
    say(page, "2", "8")
    page.get_by_role("button", name="Review").click()
    expect(page.get_by_role("row", name=re.compile("^Cache read"))).to_contain_text("same")


def row_of(page: Page, model: str) -> Locator:
    """The row of a model in a table."""
    return page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=re.compile(f"^{model} ")))


def record(site: Site, number: int) -> Decimal | None:
    """A call of now; what it costs."""
    plain = {"cost": None, "price_status": None, "at": site.world.clock.now - timedelta(seconds=1)}
    call = make_call(number, usage=Usage(input_tokens=1000, output_tokens=100), **plain)
    site.world.record(*Pricer(site.world.prices).price([call]))
    return site.client.call(call.id).attempts[-1].cost


def test_what_has_no_price_is_priced_and_booked(tab: Tab, site: Site) -> None:
    page = tab.page
    assert site.client.usage(days=30).total_cost == Decimal("0.0035")
    tab.open("/")
    page.get_by_role("link", name=re.compile("price", re.IGNORECASE)).first.click()
    page.wait_for_url("**/pricing?tab=unpriced*")
    row_of(page, "acme-tuned").get_by_role("button", name="Price it").click()
    say(page, "1", "10")
    page.get_by_role("button", name="Review").click()
    expect(page.get_by_text("2 had no price and would have one")).to_be_visible()
    page.get_by_role("textbox", name=WHY).fill("As agreed")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="What would be booked")).to_be_visible()
    see(tab)
    page.get_by_role("textbox", name=WHY).fill("Its price was not known")
    page.get_by_role("button", name="Book 2 corrections").click()
    expect(page.get_by_role("heading", name="What was booked")).to_be_visible()
    expect(page.get_by_text("Its price was not known")).to_be_visible()
    # 1,000 in and 100 out, twice.
    assert site.client.usage(days=30).total_cost == Decimal("0.0035") + 2 * Decimal("0.002")
    assert site.client.unpriced().models == []
    page.get_by_role("button", name="In the audit trail").click()
    expect(page.get_by_text("Its price was not known").first).to_be_visible()


def test_a_price_that_makes_no_sense_is_told_at_its_field(tab: Tab, site: Site) -> None:
    tab.expected.add(422)
    page = tab.page
    tab.open("/pricing/edit?for_provider=openai&for_model=gpt-4o")
    say(page, "a lot", "10")
    page.get_by_role("button", name="Review").click()
    field = page.get_by_role("textbox", name=re.compile(r"^Input \$")).first
    expect(field).to_have_value("a lot")
    expect(field).to_have_attribute("aria-invalid", "true")
    see(tab)
    assert site.client.prices().prices == []
