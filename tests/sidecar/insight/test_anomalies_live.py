"""A sidecar as it is served: it finds a loop in its ledger by itself, tells a webhook, and shows it everywhere."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path

from services.sinks import http_sink
from sidecar.insight.ledgers import SECOND, loop, world_of
from sidecar.running import running
from tollkeeper import Client

SECONDS = 60.0


def test_a_loop_is_found_and_told_within_a_minute(tmp_path: Path) -> None:
    ledger = f"sqlite:///{tmp_path}/ledger.db"
    with http_sink() as web:
        with world_of(ledger, web) as world:
            later = time.time_ns() - world.clock.nanoseconds() - SECOND
            world.record(*(replace(call, started_at=call.started_at + later) for call in loop(begins=10, until=0)))
        with running(ledger, tmp_path) as sidecar:
            until = time.monotonic() + SECONDS
            while time.monotonic() < until and not web.requests:
                time.sleep(0.1)
            told = web.requests[0].json
            assert told["title"].startswith("Critical: runaway spend for session loop-1 at $")
            with Client(url=sidecar.url) as client:
                (found,) = [one for one in client.anomalies(open=True).anomalies if one.kind == "runaway"]
                assert (found.id, found.scope) == (told["anomaly"]["anomaly_id"], {"session": "loop-1"})
                assert [each.dimension for each in found.cause[:3]] == ["session", "user", "feature"]
                acknowledged = client.acknowledge_anomaly(found.id, reason="on it")
                assert acknowledged.acknowledged_by is not None
                (alert,) = [one for one in client.alerts(kind="anomaly").alerts if one.id == told["alert_id"]]
                assert alert.acknowledged_by == acknowledged.acknowledged_by
            page = sidecar.get("/metrics")
            assert re.search(r'^tollkeeper_anomalies_open\{metric="spend",severity="critical"\} 1', page, re.MULTILINE)
