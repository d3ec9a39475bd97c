"""The demo's app on its own, day after day, beside a sidecar that somebody else runs: the traffic of `make stack`.

It goes by the limits of that sidecar, and shows its metrics. The provider is simulated.
"""

from __future__ import annotations

import argparse
import signal
from collections.abc import Sequence

import tollkeeper
from tollkeeper.cli.demo.app import App
from tollkeeper.cli.demo.crew import Crew
from tollkeeper.cli.demo.plan import days
from tollkeeper.simulator import Simulator

PATIENCE_SECONDS = 15.0
DAY_SECONDS = 60.0


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(prog="python -m tollkeeper.cli.demo.traffic", description=__doc__)
    flags.add_argument("--sidecar", required=True, metavar="URL", help="where calls are recorded")
    flags.add_argument("--spool", required=True, metavar="FOLDER", help="where calls wait until they are")
    flags.add_argument("--metrics-port", type=int, default=9464)
    flags.add_argument("--metrics-host", default="127.0.0.1")
    flags.add_argument("--seconds", type=float, default=DAY_SECONDS, help="how long a day takes (default: %(default)g)")
    flags.add_argument("--seed", type=int, default=1)
    return flags


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        Simulator(seed=options.seed, error_rate=0.02, error_status=(429, 500, 503), retry_after=0.3, keep=20) as there,
        tollkeeper.instrument(
            sidecar=options.sidecar,
            spool=options.spool,
            prometheus_port=options.metrics_port,
            prometheus_host=options.metrics_host,
            service_name="demo",
            tags={"service": "demo"},
        ),
    ):
        crew = Crew(App(there), days(options.seconds, options.seed), lambda job: None)
        crew.start()
        print("The app makes calls.", flush=True)
        try:
            while not crew.wait(60):
                pass
        except KeyboardInterrupt:
            crew.stop(PATIENCE_SECONDS)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
