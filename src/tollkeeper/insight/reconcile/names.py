"""Which of the ledger's models is meant by a name on an invoice."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

_DATE = re.compile(r"[-@:]?(?:20\d{2}-\d{2}-\d{2}|20\d{6}|\d{4}|latest)$")
"""How providers name a version of a model: `-2024-07-18`, `-20251001`, `@20250514`, `-0613`."""
_SEPARATORS = re.compile(r"[\s._/]+")


def family(name: str) -> str:
    """The name without its version and in one way of writing: `Claude Haiku 4.5` is `claude-haiku-4-5-20251001`."""
    written = _SEPARATORS.sub("-", name.strip().lower())
    found = _DATE.sub("", written)
    return found or written


def matched(ledger: Collection[str], invoice: Collection[str], aliases: Mapping[str, str]) -> Mapping[str, str]:
    """The one name under which each is compared.

    A name that both have stays. Of the others, one that is alone in its family on either side is taken for the other
    side's; where there are several to choose from, nothing is guessed. `aliases` go before: invoice name -> ledger's.
    """
    found: dict[str, str] = {name: aliases[name] for name in invoice if name in aliases}
    names = {name for name in invoice if name not in found} | set(found.values())
    both = set(ledger) & names
    for mine, others in ((names - both, set(ledger)), (set(ledger) - both, names)):
        for name in mine:
            kin = [other for other in others if other and family(other) == family(name)]
            found.setdefault(name, kin[0] if name and len(kin) == 1 else name)
    # Two that were taken for each other end at one name: the ledger's, which people know.
    for name, other in list(found.items()):
        if name in ledger and found.get(other) == name and name != other:
            found[name] = name
    return {name: _end(name, found) for name in (*ledger, *invoice)}


def _end(name: str, found: Mapping[str, str]) -> str:
    seen = [name]
    while (following := found.get(seen[-1], seen[-1])) not in seen:
        seen.append(following)
    return seen[-1]
