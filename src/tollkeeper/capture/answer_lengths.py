"""How long the answers of each model have been in this process, where a soft limit can do with an estimate of that."""

from __future__ import annotations

import threading

from tollkeeper.model import Bound, Call
from tollkeeper.pricing import Catalog
from tollkeeper.pricing.bound import Demand, with_likely
from tollkeeper.pricing.expected import ExpectedOutput


class AnswerLengths:
    """Learns from when it is first asked on: an app without such limits pays nothing. Several threads may use it."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._expected = ExpectedOutput()
        self._lock = threading.Lock()
        self._is_wanted = False

    def estimated(self, call: Call, demand: Demand, bound: Bound, counts_usd: bool) -> Bound:
        """The bound of a call, with what it is likely to use where enough answers are known."""
        self._is_wanted = True
        likely = self._expected.of(call.provider, call.request_model or "")
        if likely is None:
            return bound
        return with_likely(bound, demand, self._catalog.rates(call) if counts_usd else None, likely)

    def learn(self, call: Call) -> None:
        """Take note of an answer that came whole, and whose length the provider has told."""
        tokens = call.usage.output_tokens
        if self._is_wanted and tokens is not None and call.usage_source == "provider":
            with self._lock:
                self._expected.learn(call.provider, call.request_model or "", tokens)
