"""Limits with everything real: a sidecar over a policy file, an app that follows it, and counters that are lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from capture.processes import environment, run
from sidecar.running import SECONDS, running
from tollkeeper.simulator import Simulator

POLICY = '[[limit]]\nlimit = "3 requests / day per tenant"\n[[limit]]\nlimit = "$5 / month"\n'
APP = """
import os, openai, tollkeeper
handle = tollkeeper.instrument(providers=["openai"])
client = openai.OpenAI(base_url=os.environ["BASE_URL"], api_key="any", max_retries=0)
def ask(tenant):
    with tollkeeper.tags(tenant=tenant):
        try:
            client.chat.completions.create(
                model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello"}], max_completion_tokens=50)
            return "answered"
        except openai.RateLimitError as denied:
            return denied.limit.name
print(*[ask(tenant) for tenant in os.environ["ASKED"].split()])
assert handle.flush(30)
handle.uninstrument()
"""


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_counters_that_are_lost_are_built_from_the_ledger(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    ledger, counters = f"sqlite:///{tmp_path}/ledger.db", tmp_path / "counters.db"
    options = ("--policy", str(policy), "--counters", f"sqlite:///{counters}")

    with Simulator(seed=1) as simulator:

        def app(url: str, asked: str) -> list[str]:
            spool = str(tmp_path / "spool")
            env = environment(
                f"{simulator.url}/v1", None, TOLLKEEPER_SIDECAR=url, TOLLKEEPER_SPOOL=spool, ASKED=asked
            )  # fmt: skip
            return run(APP, env).splitlines()[0].split()

        with running(ledger, tmp_path, *options) as sidecar:
            assert app(sidecar.url, "acme acme globex") == ["answered"] * 3
            day = sidecar.get("/api/v1/limits?tenant=acme")["day"]
            assert (day["current_count"], day["limit_value"], day["remaining"]) == (2, 3, 1)
            found = sidecar.get("/api/v1/limits/agreement")
            assert (found["checked"], found["differences"]) == (3, [])
            assert sidecar.get("/api/v1/limits/in-flight")["calls"] == []
            sidecar.stop()
        for file in tmp_path.glob("counters.db*"):
            file.unlink()
        with running(ledger, tmp_path, *options) as sidecar:
            until(lambda: sidecar.get("/api/v1/limits?tenant=acme")["day"]["current_count"] == 2)
            assert sidecar.get("/api/v1/limits/agreement")["differences"] == []
            assert app(sidecar.url, "acme acme globex") == ["answered", "requests-day-per-tenant", "answered"]
            assert 'tollkeeper_sidecar_limit_missing{limit="usd-month",measure="usd"}' in sidecar.get("/metrics")
    assert len(simulator.requests) == 5
