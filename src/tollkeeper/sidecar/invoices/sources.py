"""Every admin API that figures are got from."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date

from tollkeeper.insight.reconcile.account import Account
from tollkeeper.insight.reconcile.line import InvoiceLine, added
from tollkeeper.sidecar.invoices import anthropic, openai, openrouter
from tollkeeper.sidecar.invoices.contract import Asker, Source
from tollkeeper.sidecar.invoices.web import Web

SOURCES: tuple[Source, ...] = (openai.SOURCE, anthropic.SOURCE, openrouter.SOURCE)

Fetch = Callable[[Account, date, date], list[InvoiceLine]]


def fetch(
    account: Account, first: date, last: date, sleep: Callable[[float], object] = time.sleep
) -> list[InvoiceLine]:
    """What an account's API says of these days, both included; each line once. Raises `InvoiceError`."""
    source = next(source for source in SOURCES if source.kind == account.kind)
    with Web(account, source.headers, sleep) as web:
        return together(source.fetch(Asker(account, web.get), first, last))


def together(lines: list[InvoiceLine]) -> list[InvoiceLine]:
    """Lines of one id as one."""
    found: dict[str, InvoiceLine] = {}
    for line in lines:
        found[line.id] = added(found[line.id], line) if line.id in found else line
    return list(found.values())
