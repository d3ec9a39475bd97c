"""The questions about providers' own figures. Each function here is a method of both clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tollkeeper.client.ask import Ask, body_of, query_of, reader
from tollkeeper.client.asks import When
from tollkeeper.client.invoiced import Adjusted, CauseKind, ReadInvoice, Reconciliations, Status


def reconciliations(
    *,
    days: int | None = None,
    start: When | None = None,
    end: When | None = None,
    provider: str | Sequence[str] = (),
    model: str | Sequence[str] = (),
    status: Status | None = None,
    differing: bool | None = None,
) -> Ask[Reconciliations]:
    """The ledger against what providers bill, by day of UTC and model, and why they differ."""
    return Ask("GET", "/reconciliations", reader(Reconciliations), query_of(locals()))


def fetch_invoices() -> Ask[Reconciliations]:
    """Ask every account of the sidecar's for its figures, and compare. Give the client minutes for it."""
    return Ask("POST", "/reconciliations/fetch", reader(Reconciliations))


def import_invoice(
    content: str,
    *,
    name: str | None = None,
    form: str | None = None,
    mapping: Mapping[str, Any] | None = None,
    apply: bool = False,
    reason: str | None = None,
) -> Ask[ReadInvoice]:
    """What a CSV export of a provider's console says; with `apply` and a `reason`, it is imported.

    Of other files than the known forms, `mapping` says which column is what: `provider` and `day` at the least.
    """
    said = {"name": name, "form": form, "mapping": mapping, "reason": reason}
    return Ask("POST", "/invoices", reader(ReadInvoice), body={"content": content, "apply": apply, **body_of(said)})


def adjust_to_invoice(
    provider: str,
    *,
    days: int | None = None,
    start: When | None = None,
    end: When | None = None,
    model: str | Sequence[str] = (),
    cause: CauseKind | Sequence[CauseKind] = (),
    apply: bool = False,
    plan: str | None = None,
    reason: str | None = None,
) -> Ask[Adjusted]:
    """What booking an invoice's price, tariff, discount, credit or rounding would change: a dry run, unless `apply`.

    `plan` is the one of a dry run: `Outdated` if something has changed since.
    """
    said = {"days": days, "start": start, "end": end, "plan": plan, "reason": reason}
    lists = {"model": _list(model), "cause": _list(cause)}
    body = {
        "provider": provider,
        "apply": apply,
        **body_of(said),
        **{name: each for name, each in lists.items() if each},
    }
    return Ask("POST", "/reconciliations/adjust", reader(Adjusted), body=body)


def _list(said: str | Sequence[str]) -> list[str]:
    return [said] if isinstance(said, str) else list(said)
