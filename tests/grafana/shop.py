"""An app as a program: one day of the demo's traffic, with traces, and then it stays until it is told to end.

python shop.py SIDECAR SPOOL METRICS_PORT SECONDS_OF_A_DAY DAYS
"""

from __future__ import annotations

import contextlib
import itertools
import signal
import sys

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import tollkeeper
from tollkeeper.cli.demo.app import App
from tollkeeper.cli.demo.crew import Crew
from tollkeeper.cli.demo.plan import day
from tollkeeper.simulator import Simulator


def main(sidecar: str, spool: str, port: int, seconds: float, days: int) -> None:
    trace.set_tracer_provider(TracerProvider())
    jobs = itertools.chain.from_iterable(day(seconds, seed=1, number=number) for number in range(days))
    with (
        Simulator(seed=1, error_rate=0.03, error_status=(429, 500), retry_after=0.2, keep=20) as simulator,
        tollkeeper.instrument(
            sidecar=sidecar,
            spool=spool,
            prometheus_port=port,
            service_name="shop",
            tags={"service": "shop", "config": "shop"},
        ) as handle,
    ):
        crew = Crew(App(simulator), jobs, lambda job: None)
        crew.start()
        while not crew.wait(0.1):
            pass
        crew.stop(15)
        handle.flush(15)
        print("all calls are made", flush=True)
        signal.pause()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5]))
