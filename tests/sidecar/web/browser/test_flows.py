"""What people come to the pages for, from the first click to the last, by the names of what they click on."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from playwright.sync_api import Browser, Page, expect

import tollkeeper
from services.databases import SqliteTemplate
from services.sinks import http_sink
from sidecar.api.world import World, make_call
from sidecar.running import running
from sidecar.web.browser.looking import Tab, see, tab_of
from sidecar.web.browser.site import Site, standing
from tollkeeper.client import Client
from tollkeeper.simulator import Simulator

PATIENCE_MS = 30_000
CHANNELS = """\
[channels.ops]
kind = "webhook"
url = "{url}"
"""


@pytest.fixture
def site(tmp_path: Path, sqlite_template: SqliteTemplate) -> Iterator[Site]:
    """A sidecar that has seen two calls, for one test."""
    world = World(sqlite_template.copy_to(tmp_path / "ledger.db"), open_on_loopback=True)
    world.record(make_call(1), make_call(2))
    with standing(world) as made:
        yield made


def choose(page: Page, name: str, option: str) -> None:
    page.get_by_role("combobox", name=name, exact=True).select_option(option)


def set_limit(tab: Tab, amount: str, then: str) -> None:
    """On the page of budgets, up to what it changes: dollars a day for each tenant."""
    page = tab.page
    page.get_by_role("button", name="New limit").first.click()
    page.get_by_role("textbox", name="At most").fill(amount)
    choose(page, "per", "day")
    choose(page, "Counted", "for each tenant by itself")
    choose(page, "When it is reached", then)
    page.get_by_role("button", name="Review").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("A new limit")


def test_a_budget_fills_tells_and_is_silenced(
    browser: Browser, tmp_path: Path, sqlite_template: SqliteTemplate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a sidecar, a provider and an app that are real ones, but for the provider's answers."""
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    ledger, channels = sqlite_template.copy_to(tmp_path / "ledger.db"), tmp_path / "channels.toml"
    with http_sink() as told:
        channels.write_text(CHANNELS.format(url=told.url))
        with running(ledger, tmp_path, "--channels", str(channels)) as sidecar, tab_of(browser, sidecar.url) as tab:
            page = tab.page
            tab.open("/budgets")
            set_limit(tab, "0.01", "only warn, and let calls go")
            page.get_by_role("textbox", name="Why").fill("We are only trying it out")
            page.get_by_role("button", name="Save", exact=True).click()
            expect(page.get_by_role("heading", name="$0.01 / day per tenant")).to_be_visible()
            spend(sidecar.url, tmp_path)
            tab.open("/budgets")
            limit = page.get_by_role("article", name=re.compile("per tenant")).or_(
                page.locator("article", has_text="acme")
            )
            expect(limit.first).to_contain_text("tenant acme", timeout=PATIENCE_MS)
            with Client(sidecar.url) as client:
                (standing_,) = [one for one in client.limits(tenant="acme").limits if one.scope]
                assert standing_.used is not None and standing_.used > standing_.amount
                wait_for_alert(tab)
                row = page.get_by_role("row").filter(has_text="tenant acme").filter(has_text="critical")
                row.get_by_role("button", name="Silence").click()
                page.get_by_role("radio", name="1 hour", exact=True).check()
                page.get_by_role("textbox", name="Why").fill("It is the load test")
                page.get_by_role("button", name="Silence", exact=True).click()
                expect(page.get_by_role("cell", name=re.compile("It is the load test")).first).to_be_visible()
                (silence,) = client.silences().silences
                assert (silence.comment, silence.match["tenant"]) == ("It is the load test", ["acme"])
                assert client.audit(action="silence").changes[0].reason == "It is the load test"
            tab.open("/alerts")
            expect(page.get_by_role("row").filter(has_text="tenant acme").first).to_contain_text("silenced")
            tab.assert_well()
        assert any(json.loads(one.body)["event"] == "fired" for one in told.requests)


def spend(sidecar: str, folder: Path) -> None:
    """An app's calls, until more than a cent is spent."""
    with (
        Simulator(seed=1) as simulator,
        tollkeeper.instrument(sidecar=sidecar, spool=str(folder / "spool"), tags={"tenant": "acme"}) as handle,
        openai.OpenAI(base_url=simulator.base_url("openai"), api_key="any", max_retries=0) as client,
    ):
        for _ in range(20):
            question = [{"role": "user", "content": "How many ships went by? " * 40}]
            client.chat.completions.create(model="gpt-4o", messages=question, max_completion_tokens=400)
        handle.flush(20)


def wait_for_alert(tab: Tab) -> None:
    """The page shows it without being loaded again."""
    tab.open("/alerts")
    row = tab.page.get_by_role("row").filter(has_text="tenant acme").filter(has_text="critical")
    expect(row.first).to_be_visible(timeout=PATIENCE_MS)


def test_a_limit_that_makes_no_sense_is_told_at_its_field(tab: Tab) -> None:
    tab.expected.add(422)
    page = tab.page
    tab.open("/budgets/edit")
    amount = page.get_by_role("textbox", name="At most")
    amount.fill("a lot")
    page.get_by_role("button", name="Review").click()
    expect(page.get_by_text("a lot").or_(page.get_by_role("alert")).first).to_be_visible()
    assert page.get_by_role("textbox", name="At most").first.input_value() == "a lot"
    see(tab)


def test_who_comes_second_sees_what_the_first_has_made_of_it(tab: Tab, site: Site) -> None:
    tab.expected.update((409, 412))
    page = tab.page
    tab.open("/budgets")
    set_limit(tab, "5", "refuse further calls")
    policy = site.client.policy()
    other = {"limit": [{"name": "quick", "limit": "$1 / day"}]}
    site.client.set_policy(other, reason="I was quicker", expected=policy.version)
    page.get_by_role("textbox", name="Why").fill("I was slower")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("I was quicker").or_(page.get_by_text("quick")).first).to_be_visible()
    assert [one.name for one in site.client.limits().limits] == ["quick"]


def test_an_emergency_is_entered_and_left(tab: Tab, site: Site) -> None:
    site.client.set_policy({"emergency": {"models": {"gpt-4o": "gpt-4o-mini"}}}, reason="To be prepared")
    page = tab.page
    tab.open("/budgets?tab=emergency")
    page.get_by_role("button", name="Begin an emergency").click()
    dialog = page.get_by_role("dialog")
    see(tab)
    dialog.get_by_role("textbox", name="Why").fill("An agent in a loop")
    dialog.get_by_role("button", name="Begin it now").click()
    expect(
        page.get_by_role("heading", name=re.compile("There is an emergency|emergency holds", re.IGNORECASE)).first
    ).to_be_visible()
    assert site.client.emergency().active
    tab.open("/")
    expect(page.get_by_text("An agent in a loop").first).to_be_visible()
    tab.open("/budgets?tab=emergency")
    page.get_by_role("button", name=re.compile("^End")).first.click()
    dialog.get_by_role("textbox", name="Why").fill("It was stopped")
    dialog.get_by_role("button", name=re.compile("^End")).click()
    expect(page.get_by_role("heading", name="There is no emergency")).to_be_visible()
    assert not site.client.emergency().active
    reasons = [entry.reason for entry in site.client.audit(kind="emergency").changes]
    assert reasons == ["It was stopped", "An agent in a loop"]


def test_a_report_is_downloaded(tab: Tab, site: Site) -> None:
    page = tab.page
    tab.open("/reports")
    with page.expect_download() as coming:
        page.get_by_role("button", name="CSV").click()
    rows = list(csv.reader(io.StringIO(Path(coming.value.path()).read_text())))
    assert coming.value.suggested_filename.endswith(".csv")
    assert rows == list(csv.reader(io.StringIO(site.client.report_file("daily", "csv", days=30).decode())))
    with page.expect_download() as coming:
        page.get_by_role("button", name="PDF").click()
    assert Path(coming.value.path()).read_bytes().startswith(b"%PDF")
