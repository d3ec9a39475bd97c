"""A file of accounts: what it says, what is wrong with it, and that no key is ever shown."""

from __future__ import annotations

from datetime import date

import pytest

from tollkeeper.insight.reconcile.account import OPTIONS, AccountError, read_accounts, terms_of
from tollkeeper.insight.reconcile.cell import Tolerance

GOOD = b"""
[accounts.openai]
kind = "openai"
key = "env:OPENAI_ADMIN_KEY"
own = ["proj_a"]

[accounts.team]
kind = "anthropic"
key = "file:/run/secrets/anthropic"
url = "https://gateway.example.com/anthropic/"
provider = "anthropic"
days = 10
settled_after = 48
tolerance_percent = 1.5
tolerance_usd = 0.25
aliases = { "Claude Haiku 4.5" = "claude-haiku-4-5-20251001" }
"""


def test_what_is_not_said_is_as_usual() -> None:
    openai, team = read_accounts(GOOD, "accounts.toml")
    assert (openai.url, openai.provider, openai.days, openai.settled_after) == (
        "https://api.openai.com/v1", "openai", 35, 24,
    )  # fmt: skip
    assert openai.own == {"proj_a"}
    assert (team.url, team.days, team.tolerance) == (
        "https://gateway.example.com/anthropic", 10, Tolerance(1.5, 250_000_000),
    )  # fmt: skip
    assert team.aliases == {"Claude Haiku 4.5": "claude-haiku-4-5-20251001"}
    assert "OPENAI_ADMIN_KEY" in openai.key


def test_everything_that_is_wrong_is_told_at_once_with_lines_and_no_key() -> None:
    wrong = b"""[accounts.openai]
kind = "opnai"
key = "sk-admin-very-secret"
days = 0
own = "proj"
tolerance_usd = -1
tolerance_percent = nan
colour = 1
[accounts."a b"]
kind = "openai"
url = "ftp://example.com"
"""
    with pytest.raises(AccountError) as raised:
        read_accounts(wrong, "accounts.toml")
    said = str(raised.value)
    assert "sk-admin" not in said
    lines = said.splitlines()
    for part in (
        "accounts.toml:2",
        "accounts.toml:3",
        "days",
        "own",
        "tolerance_usd",
        "tolerance_percent",
        "colour",
        "url",
        "'openai'",
    ):
        assert any(part in line for line in lines), part
    assert any("a b" in line for line in lines)
    # The second one has no key at all.
    assert sum(".key" in line for line in lines) == 2


def test_no_more_days_are_asked_for_than_are_told() -> None:
    table = b'[accounts.a]\nkind = "openrouter"\nkey = "env:A"\ndays = %d\n'
    assert read_accounts(table % 30, "accounts.toml")[0].days == 30
    with pytest.raises(AccountError, match="days from 1 to 30"):
        read_accounts(table % 31, "accounts.toml")


@pytest.mark.parametrize("content", [b"\xff", b"accounts = 1", b"[accounts", b"[other]\na = 1"])
def test_what_is_no_file_of_accounts(content: bytes) -> None:
    with pytest.raises(AccountError, match="accounts.toml"):
        read_accounts(content, "accounts.toml")


def test_a_day_is_settled_some_hours_after_its_end() -> None:
    accounts = read_accounts(GOOD, "accounts.toml")
    tuesday = 1_789_516_800 - 86_400  # 2026-09-15
    assert terms_of(accounts, "anthropic", tuesday + 86_400 * 2).settled_before == date(2026, 9, 15)
    assert terms_of(accounts, "anthropic", tuesday + 86_400 * 2 - 1).settled_before == date(2026, 9, 14)
    assert terms_of(accounts, "openai", tuesday + 86_400).settled_before == date(2026, 9, 15)
    assert terms_of(accounts, "openai", tuesday).sources == ("openai",)
    assert terms_of((), "mistral", tuesday).settled_before == date(2026, 9, 14)


def test_every_field_is_explained() -> None:
    fields = {"kind", "key", "url", "provider", "days", "settled_after", "own", "aliases"}
    assert set(OPTIONS) == fields | {"tolerance_percent", "tolerance_usd"}
