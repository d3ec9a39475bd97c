"""Once a day: what could be cheaper, and what has come of advice that somebody has taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, cast

from tollkeeper.insight.advice.advisers import recommend
from tollkeeper.insight.advice.facts import Facts, Filled, Priceless, Task, Use
from tollkeeper.insight.advice.families import smaller
from tollkeeper.insight.advice.prices import PricesNow
from tollkeeper.insight.advice.recommendation import Recommendation
from tollkeeper.insight.advice.tracking import Tally, difference_of, document, filters_of, track
from tollkeeper.model import Limit
from tollkeeper.policy import Policy
from tollkeeper.pricing import Catalog
from tollkeeper.pricing.rates import Rates
from tollkeeper.sidecar.insight.evaluators import Evaluator
from tollkeeper.sidecar.ledger_use import dimensions_of, sums_of_rows
from tollkeeper.sidecar.limiting import Limiting
from tollkeeper.sidecar.unpriced import unpriced_models
from tollkeeper.storage.database import Database
from tollkeeper.storage.insight.advice_facts import NS_A_DAY, AdviceFacts
from tollkeeper.storage.insight.recommendations import Kept, Recommendations
from tollkeeper.storage.ledger import Ledger, UsageQuery
from tollkeeper.storage.ledger.contract import Dimension
from tollkeeper.storage.prices import PriceBook
from tollkeeper.storage.prices.pricer import Pricer

NAME = "recommendations"
EVERY_SECONDS = 86_400
DAYS = 30
BEFORE_CALLS = 50_000
"""So many calls, or a few more, are enough to know what was before."""
MOST_PRICELESS = 20
PERIODS = {"day": 30, "week": 8, "month": 3}


class Advice:
    """Of one sidecar. Raises `LedgerUnavailable`."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        price_book: PriceBook,
        limiting: Limiting,
        recommendations: Recommendations,
    ) -> None:
        self._facts = AdviceFacts(database, ledger)
        self._ledger = ledger
        self._price_book = price_book
        self._limiting = limiting
        self.recommendations = recommendations

    def evaluator(self) -> Evaluator:
        """To be run by itself: with very many calls it takes minutes."""
        return Evaluator(NAME, EVERY_SECONDS, self.run)

    def run(self, now: int) -> dict[str, Any]:
        """Advise, and follow what was accepted. Returns what there is, in numbers."""
        catalog = Catalog(self._price_book.overlay())
        facts = self.facts(now, catalog)
        dismissed = {kept.recommendation.id for kept in self.recommendations.all(("dismissed",))}
        found = recommend(facts, unwanted=dismissed)
        self.recommendations.look(found)
        accepted = self.recommendations.all(("accepted",))
        verdicts = [self._follow(kept, now, catalog) for kept in accepted]
        opened = [kept.recommendation for kept in self.recommendations.all(("open",))]
        # Of several for the same calls only the best counts: their savings do not add up.
        best = [one.saving for one in opened if one.saving is not None and one.alternative_to is None]
        return {
            "recommendations": len(found),
            "open": Counter(one.kind for one in opened),
            "saving_nano_usd": {name: sum(getattr(each, name) for each in best) for name in ("low", "mid", "high")},
            "accepted": len(accepted),
            "saved_nano_usd": sum(each.get("saved") or 0 for each in verdicts if each["verdict"] == "saved"),
        }

    def facts(self, now: int, catalog: Catalog) -> Facts:
        """Of the last thirty whole days of UTC."""
        end = now // NS_A_DAY * NS_A_DAY
        start = end - DAYS * NS_A_DAY
        policy = self._limiting.policy
        prices = PricesNow(catalog, now)
        thresholds = _thresholds(self._facts.models(start, end), policy, prices)
        return Facts(
            days=DAYS,
            policy=policy,
            prices=prices,
            uses=tuple(self._facts.uses(start, end, thresholds, bool(catalog.overlay.tenants))),
            daily=self._facts.daily(start, end),
            rhythms=self._facts.rhythms(start, end),
            inputs=self._facts.inputs(start, end),
            answers=tuple(self._facts.answers(start, end)),
            repeated=tuple(self._facts.repeated(start, end)),
            failed=tuple(self._facts.failed(start, end)),
            priceless=tuple(self._priceless(start, end, prices)),
            filled=tuple(filled for limit in policy.limits if (filled := self._filled(limit, end)) is not None),
        )

    def accept(self, id: str, now: int, *, author: str, reason: str) -> Kept | None:
        """Somebody does it: what was until now is measured, to be compared with. `None`: it is not open."""
        kept = self.recommendations.one(id)
        if kept is None or kept.state != "open":
            return None
        advice = kept.recommendation
        start = self._start_of_before(advice, now)
        tally = self._tally(advice, Catalog(self._price_book.overlay()), start, now, Tally())
        before = {"start": start, "end": now, **tally._asdict()}
        return self.recommendations.accept(id, before, author=author, reason=reason)

    def _follow(self, kept: Kept, now: int, catalog: Catalog) -> dict[str, Any]:
        """Add the calls since the last time, and say what all of them tell."""
        known = dict(kept.tracking or {})
        until = int(known.get("until", kept.decided_at or now))
        tally = Tally(**known["tally"]) if "tally" in known else Tally()
        tally = self._tally(kept.recommendation, catalog, until, now, tally)
        before = Tally(**{name: value for name, value in (kept.before or {}).items() if name in Tally._fields})
        said = document(track(before, tally, kept.recommendation.kind, now - (kept.decided_at or now)))
        tracking = {**said, "until": now, "tally": tally._asdict()}
        self.recommendations.track(kept.recommendation.id, tracking)
        return tracking

    def _tally(self, advice: Recommendation, catalog: Catalog, start: int, end: int, tally: Tally) -> Tally:
        difference = difference_of(advice, catalog)
        if difference is None or start >= end:
            return tally
        for kept in self._ledger.select_calls(start, end, _dimensions(advice)):
            found = difference(kept.call, kept.nano_usd)
            if found is not None:
                tally = tally.with_(kept.nano_usd or 0, *found)
        return tally

    def _start_of_before(self, advice: Recommendation, now: int) -> int:
        """Whole hours back, until there are calls enough."""
        rows = self._ledger.usage(
            UsageQuery(now - DAYS * NS_A_DAY, now, filters=_dimensions(advice), interval="hour")
        )  # fmt: skip
        calls = 0
        for row in sorted(rows, key=lambda row: -(row.bucket or 0)):
            calls += row.totals.calls
            if calls >= BEFORE_CALLS:
                return row.bucket or 0
        return now - DAYS * NS_A_DAY

    def _priceless(self, start: int, end: int, prices: PricesNow) -> Iterable[Priceless]:
        for one in unpriced_models(self._ledger, Pricer(self._price_book), start, end, MOST_PRICELESS):
            if one.reason is not None:
                near = get_close_matches(one.model, prices.text_models(one.provider), 1, 0.8)
                yield Priceless(
                    one.provider, one.model, one.calls, one.tokens, one.reason, near[0] if near else None
                )  # fmt: skip

    def _filled(self, limit: Limit, end: int) -> Filled | None:
        """Its highest use in whole periods; `None` where the ledger's sums cannot tell it."""
        window, dimensions = limit.window, dimensions_of(limit)
        if window is None or window.rolling or window.unit not in PERIODS or dimensions is None:
            return None
        interval = cast(Any, window.unit)
        start = end - (PERIODS[window.unit] + 1) * {"day": 1, "week": 7, "month": 31}[window.unit] * NS_A_DAY
        rows = self._ledger.usage(UsageQuery(start, end, dimensions, interval=interval, zone=window.zone))
        by_period: dict[int, list[tuple[tuple[str, ...], Any]]] = {}
        for row in rows:
            by_period.setdefault(row.bucket or 0, []).append((row.group, row.totals))
        # The first and the last may be cut.
        whole = sorted(by_period)[1:-1]
        peaks = [max(sums_of_rows(limit, dimensions, by_period[each]).values(), default=0) for each in whole]
        return Filled(limit, tuple(peaks)) if peaks else None


def _dimensions(advice: Recommendation) -> Mapping[Dimension, tuple[str, ...]]:
    return cast("Mapping[Dimension, tuple[str, ...]]", filters_of(advice))


def _thresholds(models: Iterable[tuple[str, str]], policy: Policy, prices: PricesNow) -> list[int]:
    """Of input tokens, above which one of the models costs more, or one that could take its place."""
    classed = [prices.place(policy.target(name)[0], "") for names in policy.quality.values() for name in names]
    asked = {*models, *classed}
    asked |= {(provider, name) for provider, model in asked for name in smaller(model)}
    found: set[int] = set()
    for provider, model in asked:
        rates = prices.rates(Use(Task("", provider, model), model))
        if isinstance(rates, Rates):
            found |= {above for above, _ in rates.bands if above >= 0}
    return sorted(found)
