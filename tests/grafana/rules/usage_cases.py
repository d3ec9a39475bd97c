"""Of tokens, caches and quotas."""

from __future__ import annotations

from grafana.rules.budget_cases import of, threshold
from grafana.rules.promtool import Case
from tollkeeper.grafana.rules import names as n
from tollkeeper.grafana.rules.budget import DENIED, RATIO
from tollkeeper.grafana.rules.usage import CACHED, INPUT, MODEL_TOKENS, TOKENS


def model(name: str, **more: str) -> str:
    labels = {n.PROVIDER: "p", n.MODEL: name, **more}
    return "{" + ",".join(f'{key}="{text}"' for key, text in labels.items()) + "}"


def meter(name: str, of_model: str = "m", **more: str) -> str:
    return model(of_model, **{n.METER: name}, **more)


RECORD_CASES = (
    Case(
        TOKENS,
        {
            f"{n.TOKENS}{meter('input', instance='a')}": "0+30x20",
            f"{n.TOKENS}{meter('input', instance='b')}": "0+60x20",
            f"{n.TOKENS}{meter('output')}": "0+6x20",
        },
        {"10m": [(meter("input"), 1.5), (meter("output"), 0.1)]},
    ),
    Case(
        MODEL_TOKENS,
        {f"{TOKENS}{meter('input')}": "2x3", f"{TOKENS}{meter('output')}": "1x3"},
        {"2m": [(model("m"), 3)]},
    ),
    Case(
        "provider_model:tollkeeper_calls:rate5m",
        {f"{n.CALLS}{model('m', tenant='x')}": "0+6x20", f"{n.CALLS}{model('m', tenant='y')}": "0+3x20"},
        {"10m": [(model("m"), 0.15)]},
    ),
    Case(
        INPUT,
        {f"{n.TOKENS}{meter(each)}": "0+60x50" for each in ("input", "cache_read", "cache_write_5m", "output")},
        {"45m": [(model("m"), 3)]},
    ),
    Case(
        CACHED,
        {
            f"{n.TOKENS}{meter('cache_read')}": "0+15x50", f"{n.TOKENS}{meter('input')}": "0+60x50",
            f"{INPUT}{model('m')}": "0.5x50", f"{INPUT}{model('never')}": "0.5x50", f"{INPUT}{model('idle')}": "0x50",
        },
        {"45m": [(model("m"), 0.5), (model("never"), 0)]},
    ),
)  # fmt: skip

QUOTA_SERIES = {
    f"{RATIO}{of('tpm', 'tokens', 'minute')}": "2x3",
    f"{RATIO}{of('soft-tpm', 'tokens', 'minute', 'soft')}": "2x3",
    threshold("tpm", 80, "warning", measure="tokens", window="minute"): "0.8x3",
    f"{RATIO}{of('spend')}": "2x3",
    threshold("spend", 80, "warning"): "0.8x3",
    f"{RATIO}{of('busy', 'concurrency', 'day')}": "2x3",
    f"{RATIO}{of('soft-busy', 'concurrency', 'day', 'soft')}": "2x3",
    threshold("busy", 80, "warning", measure="concurrency", window="day"): "0.8x3",
}


def _exhausted(mode: str, severity: str) -> Case:
    """At the amount and over it, not under it; other limits have other alerts."""
    ours, others = of("quota", "tokens", mode=mode), of("other", "tokens", mode="soft" if mode == "hard" else "hard")
    given = {**QUOTA_SERIES, f"{RATIO}{ours}": "0.9 1 1.1 0", f"{RATIO}{others}": "2x3"}
    expected = {"0m": [], "1m": [(ours, 1)], "2m": [(ours, 1)], "3m": []}
    return Case("TollkeeperQuotaExhausted", given, expected, {"severity": severity})


def _denying() -> Case:
    """What is left may be too little for any call."""
    given = {f"{RATIO}{of(name, 'tokens')}": "0.7x3" for name in ("quota", "other")}
    given |= {f"{RATIO}{of('spend')}": "0.7x3", f"{RATIO}{of('tpm', 'tokens', 'minute')}": "0.7x3"}
    given |= {f"{DENIED}{of('quota', 'tokens')}": "0 1x3", f"{DENIED}{of('other', 'tokens')}": "0x4"}
    given |= {f"{DENIED}{of('spend')}": "1x3", f"{DENIED}{of('tpm', 'tokens', 'minute')}": "1x3"}
    expected = {"0m": [], "2m": [(of("quota", "tokens"), 1)]}
    return Case("TollkeeperQuotaExhausted", given, expected, {"severity": "critical"})


ALERT_CASES = (
    Case(
        "TollkeeperTokenSpike",
        {
            f"{MODEL_TOKENS}{model('spike')}": "100x100 380x10", f"{MODEL_TOKENS}{model('more')}": "100x100 280x10",
            f"{MODEL_TOKENS}{model('busy')}": "5x100 55x10", f"{MODEL_TOKENS}{model('idle')}": "5x100 45x10",
        },
        {"515m": [], "525m": [(model("spike"), 1), (model("busy"), 1)]},
        step="5m",
    ),
    Case(
        "TollkeeperCacheReadsDrop",
        {
            f"{CACHED}{model('half')}": "0.8x50 0.36x10", f"{INPUT}{model('half')}": "55x60",
            f"{CACHED}{model('less')}": "0.8x50 0.44x10", f"{INPUT}{model('less')}": "55x60",
            f"{CACHED}{model('few')}": "0.112x50 0.01x10", f"{INPUT}{model('few')}": "55x60",
            f"{CACHED}{model('fewer')}": "0.092x50 0.01x10", f"{INPUT}{model('fewer')}": "55x60",
            f"{CACHED}{model('idle')}": "0.8x50 0.1x10", f"{INPUT}{model('idle')}": "45x60",
        },
        {"530m": [], "550m": [(model("half"), 1), (model("few"), 1)]},
        step="10m",
    ),
    Case(
        "TollkeeperQuotaNearLimit",
        {
            **QUOTA_SERIES,
            f"{RATIO}{of('quota', 'tokens')}": "0.79 0.8 0.95 1.15",
            threshold("quota", 80, "info", measure="tokens", instance="a"): "0.8x3",
            threshold("quota", 80, "info", measure="tokens", instance="b"): "0.7x3",
            threshold("quota", 90, "warning", measure="tokens"): "0.9x3",
            threshold("quota", 100, "critical", measure="tokens"): "1x3",
            threshold("quota", 110, "critical", measure="tokens"): "1.1x3",
        },
        {
            "0m": [],
            "1m": [(of("quota", "tokens", threshold="80", severity="info"), 1)],
            "3m": [
                (of("quota", "tokens", threshold="80", severity="info"), 1),
                (of("quota", "tokens", threshold="90", severity="warning"), 1),
            ],
        },
    ),
    _exhausted("hard", "critical"),
    _exhausted("soft", "warning"),
    _denying(),
    Case(
        "TollkeeperDenialsSustained",
        {
            f'{n.DENIED}{{{n.LIMIT_NAME}="one",tenant="a"}}': "0x30 1+1x30",
            f'{n.DENIED}{{{n.LIMIT_NAME}="one",tenant="b"}}': "0x60",
            f'{n.DENIED}{{{n.LIMIT_NAME}="now and then"}}': " ".join(str(at // 4) for at in range(60)),
            f'{n.DENIED}{{{n.LIMIT_NAME}="once"}}': "3x60",
        },
        {"39m": [], "42m": [(f'{{{n.LIMIT_NAME}="one"}}', 1)]},
    ),
    Case(
        "TollkeeperDenialsSustained",
        {f'{n.DENIED}{{{n.LIMIT_NAME}="many"}}': "0+300x40"},
        {"9m": [], "13m": [(f'{{{n.LIMIT_NAME}="many"}}', 1)]},
    ),
    Case("TollkeeperEmergency", {f'{n.EMERGENCY}{{instance="a"}}': "0 1 0", f'{n.EMERGENCY}{{instance="b"}}': "0x3"},
         {"0m": [], "1m": [("", 1)], "2m": []}),
)  # fmt: skip

CASES = (*RECORD_CASES, *ALERT_CASES)
