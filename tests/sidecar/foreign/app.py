"""An app that somebody else has instrumented: it makes one call for each case, and ships its telemetry by OTLP/HTTP.

    python app.py EMITTER SIMULATOR_URL [CASE …]

It runs in an environment of its own, where Tollkeeper is not installed. `OTEL_EXPORTER_OTLP_ENDPOINT` says where to.
"""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext

from emitters import EMITTERS

FAILING = ("_busy", "_missing")

os.environ.setdefault("OTEL_SERVICE_NAME", "foreign-app")
os.environ.setdefault("OTEL_METRICS_EXPORTER", "none")
# The Anthropic SDK has spans of its own too: they are there when they are asked for.
os.environ.setdefault("ANTHROPIC_OPEN_TELEMETRY", "false")


def main() -> None:
    emitter, url, wanted = sys.argv[1], sys.argv[2], sys.argv[3:]
    emitted = EMITTERS[emitter](os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"])
    # Clients are made when everything is set up: an SDK that traces itself looks for a tracer then.
    cases = emitted.cases(url)
    for name in wanted or cases:
        case, knobs = cases[name]
        headers = {"X-Case": name, **({"X-Simulator": knobs} if knobs else {})}
        # The span around a case is how its trace is known.
        around = emitted.tracer.start_as_current_span(f"case {name}") if emitted.tracer else nullcontext()
        with around:
            try:
                case(headers)
            except Exception as error:  # noqa: BLE001  each library has its own, and an app goes on
                if not name.endswith(FAILING):
                    raise SystemExit(f"{name}: {error!r}") from error
    emitted.flush()


if __name__ == "__main__":
    main()
