"""Reading foreign values: what cannot be a count, an amount or a text that an exporter takes is none."""

from __future__ import annotations

import json
from decimal import Decimal, localcontext
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics

from capture.bench import Records
from capture.canned import canned_server, good_answers
from capture.scenarios import SURFACES
from tollkeeper.capture.payload import as_count, estimate_tokens, text
from tollkeeper.capture.providers.openai_usage import provider_cost


@pytest.mark.parametrize(
    ("value", "count"),
    [(0, 0), (7, 7), (5.0, 5), (10**9, 10**9), (-1, None), (1.5, None), ("5", None), (True, None), (10**9 + 1, None),
     (1e300, None), (float("nan"), None), (float("inf"), None), (None, None), ([], None)],
)  # fmt: skip
def test_a_count(value: Any, count: int | None) -> None:
    """A whole number that is not negative, and not more than any call can have used."""
    assert as_count(value) == count


def test_a_text_can_be_encoded() -> None:
    """Lone surrogates, which JSON can hold, are replaced; everything else is as it was."""
    assert text({"model": "a\ud800b"}, "model") == "a?b"
    assert text({"model": "modèle-🙂"}, "model") == "modèle-🙂"
    assert text({"model": 5}, "model") is None


def test_an_estimate_takes_texts_only() -> None:
    """What is no text has no tokens that we could guess."""
    assert estimate_tokens("abcd", 5, None, ["x"], "abcde") == 3


@pytest.mark.parametrize(
    ("said", "cost"),
    [
        ({"cost": 0.1}, Decimal("0.1")),
        ({"cost": "0.25"}, Decimal("0.25")),
        ({"cost": 1e300}, None),
        ({"cost": -1}, None),
        ({"cost_in_usd_ticks": 7506000}, Decimal("0.0007506")),
        ({"cost_in_usd_ticks": 10**30}, None),
    ],
)
def test_a_cost_named_by_the_provider(said: dict[str, Any], cost: Decimal | None) -> None:
    """A cost that no call can have is none. The app's own decimal context has no say in it."""
    with localcontext(prec=2):
        assert provider_cost(said) == cost


def test_one_mad_answer_does_not_stop_the_metrics(records: Records) -> None:
    """Counters are sums of 64 bits: a count beyond that would make every export fail from then on."""
    with canned_server() as canned, records.watching("openai"):
        answer = good_answers("openai-chat")[0]
        mad = {
            **answer,
            "model": "\ud800",
            "usage": {"prompt_tokens": 10**30, "completion_tokens": 1e300, "cost": 1e300},
        }
        canned.will_answer(json.dumps(mad).encode())
        surface = SURFACES[0]
        surface.plain(surface.client(canned.url, False), False)
        call = records.one()
        assert (call.usage.input_tokens, call.usage_source, call.response_model) == (None, "unknown", "?")
        data = records.metrics.get_metrics_data()
    assert data is not None
    assert encode_metrics(data).SerializeToString()
