"""Accounts at providers, whose own figures the ledger is compared with; as a file of them says it.

[accounts.openai]
kind = "openai"
key = "env:OPENAI_ADMIN_KEY"                 # a reference: the key itself is kept nowhere
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal, NamedTuple, get_args

from tollkeeper.insight.reconcile.cell import Tolerance
from tollkeeper.insight.reconcile.line import nano_usd
from tollkeeper.insight.reconcile.reconcile import Terms
from tollkeeper.policy.mistakes import Mistakes, PolicyError, Table, choice, text, whole
from tollkeeper.policy.toml_lines import lines_of

Kind = Literal["openai", "anthropic", "openrouter"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
_KEY = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:/[^/].*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
LONGEST_WINDOW, DEFAULT_WINDOW = 180, 35


class AccountError(ValueError):
    """Everything that is wrong with a file of accounts, a line each. Shows no key."""


class Preset(NamedTuple):
    """What a kind of account is, unless its table says otherwise.

    `settled_after` is in hours from the end of a day on: then its figures are taken to be complete. Of days before the
    last `most_days` its API tells nothing any more.
    """

    url: str
    provider: str
    settled_after: int
    days: int = DEFAULT_WINDOW
    most_days: int = LONGEST_WINDOW


PRESETS: Final[Mapping[Kind, Preset]] = {
    # OpenAI: "the data may be delayed", without a figure; what is seen is some hours.
    "openai": Preset("https://api.openai.com/v1", "openai", 24),
    # Anthropic: "typically appears within 5 minutes of API request completion"; batches are billed as they end.
    "anthropic": Preset("https://api.anthropic.com", "anthropic", 24),
    # OpenRouter: only days that are over; to be asked 30 minutes after their end. It keeps 30 of them.
    "openrouter": Preset("https://openrouter.ai/api/v1", "openrouter", 2, 30, 30),
}

LARGEST_USD: Final = 10**9

OPTIONS: Final[Mapping[str, str]] = {
    "kind": "`openai`, `anthropic` or `openrouter`.",
    "key": "The admin key, as a reference: `env:NAME` or `file:/path`.",
    "url": "Where its API is, if not where it usually is.",
    "provider": "What the ledger calls the provider.",
    "days": "How many days are got and compared.",
    "settled_after": "So many hours after its end, a day's figures are taken to be complete.",
    "own": "Keys, projects and workspaces of the provider's whose calls the ledger is to have; all, if there are none.",
    "aliases": 'Models by another name on the invoice: `{ "Claude Haiku 4.5" = "claude-haiku-4-5-20251001" }`.',
    "tolerance_percent": "Differences up to this part are told to nobody.",
    "tolerance_usd": "Nor are those of a day and model up to so many dollars.",
}
"""Each field of an account, and what it means."""


@dataclass(frozen=True, slots=True)
class Account:
    """One of them. `key` is a reference; `name` names where its figures are from."""

    name: str
    kind: Kind
    key: str
    url: str
    provider: str
    days: int
    settled_after: int
    tolerance: Tolerance = Tolerance()
    own: frozenset[str] = frozenset()
    aliases: Mapping[str, str] = field(default_factory=dict)


def read_accounts(content: bytes, name: str) -> tuple[Account, ...]:
    """The accounts of a TOML file. Raises `AccountError` that tells all that is wrong, with lines."""
    try:
        source = content.decode()
        tables, lines = tomllib.loads(source, parse_float=Decimal), lines_of(source)
    except UnicodeDecodeError as error:
        raise AccountError(f"{name}: not UTF-8: {error.reason} at byte {error.start}") from None
    except (ValueError, RecursionError) as error:
        raise AccountError(f"{name}: not valid TOML: {error}") from None
    mistakes = Mistakes(name, lines)
    top = Table(tables, (), mistakes)
    top.know(("accounts",), "table")
    accounts = top.table("accounts", "tables, each headed [accounts.NAME]")
    made = [_account(accounts.table(key, f"a table, headed [accounts.{key}]"), key) for key in accounts.content]
    try:
        mistakes.finish()
    except PolicyError as found:
        raise AccountError(str(found)) from None
    return tuple(made)


def terms_of(accounts: tuple[Account, ...], provider: str, now: int) -> Terms:
    """How a provider's bill is to be read at a moment (seconds since the epoch), by all accounts at it."""
    ours = [account for account in accounts if account.provider == provider]
    hours = max((account.settled_after for account in ours), default=24)
    settled = date(1970, 1, 1) + timedelta(days=(now - hours * 3600) // 86_400)
    return Terms(
        provider,
        settled,
        ours[0].tolerance if ours else Tolerance(),
        frozenset(name for account in ours for name in account.own),
        {name: to for account in ours for name, to in account.aliases.items()},
        tuple(account.name for account in ours),
    )


def _account(table: Table, name: str) -> Account:
    if not _NAME.fullmatch(name):
        expected = "a name of up to 64 letters, digits, '-', '_' and '.', that begins with a letter or a digit"
        table.mistakes.note(table.place, name, expected)
    table.know(tuple(OPTIONS))
    default: Kind = "openai"
    if "kind" not in table:
        table.note("kind", f"one of {', '.join(KINDS)}")
    kind = table.read("kind", choice(*KINDS), default)
    preset = PRESETS[kind]
    usual = Tolerance()
    return Account(
        name=name,
        kind=kind,
        key=_key(table),
        url=table.read("url", _url, preset.url),
        provider=table.read("provider", text, preset.provider),
        days=table.read("days", lambda value: whole(value, 1, preset.most_days, "days"), preset.days),
        settled_after=table.read("settled_after", lambda value: whole(value, 0, 240, "hours"), preset.settled_after),
        tolerance=Tolerance(
            table.read("tolerance_percent", _percent, usual.percent),
            table.read("tolerance_usd", _dollars, usual.nano_usd),
        ),
        own=frozenset(table.read("own", _names) or ()),
        aliases=_aliases(table.table("aliases", 'a table such as { "Claude Haiku 4.5" = "claude-haiku-4-5" }')),
    )


def _key(table: Table) -> str:
    """Never shown: what was taken for a reference may be the key."""
    value = table.content.get("key")
    if isinstance(value, str) and _KEY.fullmatch(value):
        return value
    shown = None if value is None else "…"
    table.mistakes.note((*table.place, "key"), shown, "a reference, env:NAME or file:/path, as the key is a secret")
    return ""


def _url(value: Any) -> str:
    if isinstance(value, str) and _URL.fullmatch(value):
        return value.rstrip("/")
    raise ValueError("an address such as https://api.example.com/v1, without a user, a query and a fragment")


def _names(value: Any) -> tuple[str, ...]:
    if isinstance(value, list) and all(isinstance(name, str) and name for name in value):
        return tuple(value)
    raise ValueError('a list of ids, such as ["proj_abc", "key_xyz"]')


def _percent(value: Any) -> float:
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        number = Decimal(value)
        if number.is_finite() and 0 <= number <= 100:
            return float(number)
    raise ValueError("a number from 0 to 100")


def _dollars(value: Any) -> int:
    expected = 'an amount in dollars that is not negative, such as 0.01 or "0.01"'
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise ValueError(expected)
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise ValueError(expected) from None
    if not amount.is_finite() or not 0 <= amount <= LARGEST_USD:
        raise ValueError(expected)
    return nano_usd(amount)


def _aliases(table: Table) -> Mapping[str, str]:
    return {name: to for name in table.content if (to := table.read(name, text)) is not None}
