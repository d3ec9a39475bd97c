"""Of money."""

from __future__ import annotations

from grafana.rules.pipeline_cases import SIDECAR
from grafana.rules.promtool import Case
from tollkeeper.grafana.rules import names as n
from tollkeeper.grafana.rules.cost import (
    AVERAGE,
    DEVIATION,
    GLOBAL,
    LOWER,
    PER_CALL,
    PROVIDER_MODEL,
    RATE,
    SERVICE,
    SERVICE_CALLS,
    SPENT,
    TENANT,
    UNPRICED,
    UP,
    UPPER,
)
from tollkeeper.sidecar.findings import STALE_SECONDS


def told(tenant: str, model: str = "m", **more: str) -> str:
    labels = {"provider": "p", "model": model, "operation": "chat", "tenant": tenant, "service": "s", "feature": "f"}
    return "{" + ",".join(f'{name}="{text}"' for name, text in {**labels, **more}.items()) + "}"


def _sums(name: str, metric: str, *expected: tuple[str, float]) -> Case:
    """Two sidecars tell the same, one of them a little late; and there are two tenants."""
    given = {
        f"{metric}{told('x', instance='a')}": "3x3",
        f"{metric}{told('x', instance='b')}": "2.5x3",
        f"{metric}{told('y', 'n')}": "4x3",
    }
    return Case(name, given, {"2m": expected})


def _growing(name: str, total: str, by: float, step: str, at: str) -> Case:
    """Ten steps of 3; what is corrected downwards is no growth, and no new beginning either."""
    given = {f'{total}{{tenant="x"}}': "10+3x20", f'{total}{{tenant="y"}}': "20x9 19x11"}
    return Case(name, given, {at: [('{tenant="x"}', 30 / by), ('{tenant="y"}', 0)]}, step=step)


def _band(name: str, expected: float, deviation: float, a_week_ago: float = 1) -> Case:
    given = {f"{AVERAGE}{X}": "2x60", f"{DEVIATION}{X}": f"{deviation}x60", f"{RATE}{X}": f"{a_week_ago} 2x60"}
    return Case(name, given, {"168h": [(X, expected)]}, step="3h")


X = '{tenant="x"}'

RECORD_CASES = (
    _sums(GLOBAL, n.LEDGER_COST, ("{}", 7)),
    _sums(TENANT, n.LEDGER_COST, (X, 3), ('{tenant="y"}', 4)),
    _sums(PROVIDER_MODEL, n.LEDGER_COST, ('{provider="p",model="m"}', 3), ('{provider="p",model="n"}', 4)),
    _sums(SERVICE, n.LEDGER_COST, ('{service="s"}', 7)),
    Case(UP, {f"up{SIDECAR}": "1x3", 'up{job="app"}': "0x3"}, {"2m": [("", 1)]}),
    Case(UP, {f'up{{job="{n.SIDECARS}",instance="a"}}': "0x3", f'up{{job="{n.SIDECARS}",instance="b"}}': "1x3"},
         {"2m": [("", 1)]}),
    Case(UP, {f"up{SIDECAR}": "0x3", 'up{job="app"}': "1x3"}, {"2m": [("", 0)]}),
    _sums(UNPRICED, n.LEDGER_UNPRICED, ('{provider="p",model="m"}', 3), ('{provider="p",model="n"}', 4)),
    Case(
        SERVICE_CALLS,
        {
            f"{n.LEDGER_CALLS}{told('x', outcome='succeeded', instance='a')}": "5x3",
            f"{n.LEDGER_CALLS}{told('x', outcome='succeeded', instance='b')}": "4x3",
            f"{n.LEDGER_CALLS}{told('x', outcome='failed')}": "2x3",
        },
        {"2m": [('{service="s"}', 7)]},
    ),
    _growing("global:tollkeeper_ledger_cost_usd:rate5m", GLOBAL, 300, "30s", "6m"),
    _growing("provider_model:tollkeeper_ledger_cost_usd:rate5m", PROVIDER_MODEL, 300, "30s", "6m"),
    _growing(RATE, TENANT, 300, "30s", "6m"),
    _growing(SPENT, SERVICE, 1, "6m", "72m"),
    Case(
        PER_CALL,
        {
            f'{SPENT}{{service="busy"}}': "6x20", f'{SERVICE_CALLS}{{service="busy"}}': "0+3x20",
            f'{SPENT}{{service="rare"}}': "6x20", f'{SERVICE_CALLS}{{service="rare"}}': "0+0.05x20",
            f'{SPENT}{{service="idle"}}': "6x20", f'{SERVICE_CALLS}{{service="idle"}}': "7x20",
        },
        {"108m": [('{service="busy"}', 0.2), ('{service="rare"}', 12)]},
        step="6m",
    ),
    Case(AVERAGE, {f"{RATE}{X}": "1x4 3x4"}, {"9m": [(X, 2)]}),
    Case(DEVIATION, {f"{RATE}{X}": "1x4 3x4"}, {"9m": [(X, 1)]}),
    _band(UPPER, 5, deviation=1),
    _band(UPPER, 3, deviation=0.1),
    _band(UPPER, 15, deviation=1, a_week_ago=10),
    _band(LOWER, 1, deviation=0.3),
    _band(LOWER, 0.5, deviation=0.5),
    _band(LOWER, 0, deviation=1),
)  # fmt: skip


def of(tenant: str) -> str:
    return f'{{tenant="{tenant}"}}'


A_DAY = 24 * 12
OLD, YOUNG = (f"-{STALE_SECONDS * tenths // 10}x20" for tenths in (11, 9))
"""When a list of prices was installed that is too old, and one that is not."""

ALERT_CASES = (
    Case(
        "TollkeeperCostSpike",
        {
            f"{RATE}{of('above')}": "0.0033x20", f"{AVERAGE}{of('above')}": "0.001x20",
            f"{RATE}{of('below')}": "0.0027x20", f"{AVERAGE}{of('below')}": "0.001x20",
            f"{RATE}{of('dear')}": "0.000305x20", f"{AVERAGE}{of('dear')}": "0.00001x20",
            f"{RATE}{of('cheap')}": "0.00025x20", f"{AVERAGE}{of('cheap')}": "0.00001x20",
        },
        {"8m": [], "12m": [(of("above"), 1), (of("dear"), 1)]},
    ),
    # What comes each week, and what does not.
    Case(
        "TollkeeperCostSpike",
        {
            f"{RATE}{of('weekly')}": "0.0024x3 0.0033x170", f"{AVERAGE}{of('weekly')}": "0.001x173",
            f"{RATE}{of('new')}": "0.002x3 0.0033x170", f"{AVERAGE}{of('new')}": "0.001x173",
        },
        {"100h": [(of("weekly"), 1), (of("new"), 1)], "169h": [(of("new"), 1)]},
        step="1h",
    ),
    Case(
        "TollkeeperCostAnomaly",
        {
            f"{RATE}{of('above')}": f"0.002x{A_DAY + 9}", f"{UPPER}{of('above')}": f"0.0019x{A_DAY + 9}",
            f"{RATE}{of('below')}": f"0.002x{A_DAY + 9}", f"{UPPER}{of('below')}": f"0.0021x{A_DAY + 9}",
            f"{RATE}{of('dear')}": f"0.000153x{A_DAY + 9}", f"{UPPER}{of('dear')}": f"0.00001x{A_DAY + 9}",
            f"{RATE}{of('cheap')}": f"0.000125x{A_DAY + 9}", f"{UPPER}{of('cheap')}": f"0.00001x{A_DAY + 9}",
            f"{RATE}{of('new')}": f"_x12 0.002x{A_DAY - 4}", f"{UPPER}{of('new')}": f"0.0019x{A_DAY + 9}",
        },
        {"24h10m": [], "24h20m": [(of("above"), 1), (of("dear"), 1)]},
        {"direction": "high"},
        step="5m",
    ),
    Case(
        "TollkeeperCostAnomaly",
        {
            f"{RATE}{of('below')}": "0.002x150", f"{LOWER}{of('below')}": "0.0021x150",
            f"{AVERAGE}{of('below')}": "0.000153x150",
            f"{RATE}{of('above')}": "0.002x150", f"{LOWER}{of('above')}": "0.0019x150",
            f"{AVERAGE}{of('above')}": "0.004x150",
            f"{RATE}{of('cheap')}": "0.00001x150", f"{LOWER}{of('cheap')}": "0.0001x150",
            f"{AVERAGE}{of('cheap')}": "0.000125x150",
            f"{RATE}{of('new')}": "_x6 0.002x144", f"{LOWER}{of('new')}": "0.0021x150",
            f"{AVERAGE}{of('new')}": "0.004x150",
        },
        {"24h20m": [], "24h40m": [(of("below"), 1)]},
        {"direction": "low"},
        step="10m",
    ),
    Case(
        "TollkeeperCostPerCallJump",
        {
            f'{PER_CALL}{{service="doubled"}}': "0.01x144 0.022x20", f'{SPENT}{{service="doubled"}}': "1.1x164",
            f'{PER_CALL}{{service="more"}}': "0.01x144 0.018x20", f'{SPENT}{{service="more"}}': "1.1x164",
            f'{PER_CALL}{{service="cheap"}}': "0.01x144 0.03x20", f'{SPENT}{{service="cheap"}}': "0.9x164",
        },
        {"24h30m": [], "24h50m": [('{service="doubled"}', 1)]},
        step="10m",
    ),
    Case(
        "TollkeeperUnpricedModel",
        {
            f'{UNPRICED}{{provider="p",model="old"}}': "0x39 1x50",
            f'{UNPRICED}{{provider="p",model="new"}}': "_x50 2x40",
            f'{UNPRICED}{{provider="p",model="priced"}}': "5x45 2x45",
            UP: "1x90",
        },
        {
            "35m": [], "45m": [('{provider="p",model="old"}', 1)], "55m": [
                ('{provider="p",model="old"}', 1), ('{provider="p",model="new"}', 1)
            ], "88m": [],
        },
    ),
    Case("TollkeeperUnpricedModel", {f'{UNPRICED}{{provider="p",model="soon"}}': "0x10 1x20"},
         {"9m": [], "20m": [('{provider="p",model="soon"}', 1)]}),
    # Of a Prometheus that is new, or was away: nobody knows what there was before.
    Case("TollkeeperUnpricedModel", {f'{UNPRICED}{{provider="p",model="long ago"}}': "5x30 _x30 9x60",
                                     UP: "1x30 _x30 1x60"}, {"5m": [], "20m": [], "75m": [], "100m": []}),
    Case("TollkeeperUnpricedModel", {f'{UNPRICED}{{provider="p",model="late"}}': "_x20 5x60", UP: "0x20 1x60"},
         {"25m": [], "45m": []}),
    Case("TollkeeperPriceCatalogStale", {n.CATALOG_UPDATED: OLD}, {"50m": [], "70m": [("", 1)]}, step="10m"),
    Case(
        "TollkeeperPriceCatalogStale",
        {f'{n.CATALOG_UPDATED}{{instance="a"}}': YOUNG, f'{n.CATALOG_UPDATED}{{instance="b"}}': OLD},
        {"70m": []},
        step="10m",
    ),
)  # fmt: skip

CASES = (*RECORD_CASES, *ALERT_CASES)
