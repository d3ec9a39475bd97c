"""Runs somebody else's instrumentation, in an environment of its own, against the simulator and a sidecar.

python -m sidecar.foreign.stage [EMITTER …]      (in tests/) writes what they emit anew, into emitted/
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sidecar.foreign.truth import Served, Witness
from sidecar.receive.serving import Keeper, serving
from tollkeeper.sidecar.receive.door import Door
from tollkeeper.simulator import Simulator
from tollkeeper.telemetry.emission import Emission

HERE = Path(__file__).parent
EMITTED = HERE / "emitted"
ENVIRONMENTS = Path(os.environ.get("TOLLKEEPER_FOREIGN") or HERE.parents[2] / ".venv")

NEWEST, OLDER, LITELLM = "foreign-newest", "foreign-older", "foreign-litellm"
HOMES = {
    "official": NEWEST,
    "anthropic_sdk": NEWEST,
    "openllmetry": NEWEST,
    "openinference": NEWEST,
    "openinference_dual": NEWEST,
    "logfire": NEWEST,
    "pydantic_ai": NEWEST,
    "doubled": NEWEST,
    "official_v2": OLDER,
    "openlit": OLDER,
    "litellm": LITELLM,
}
"""The environment of each emitter. LiteLLM's is large: it is set up by hand when its file is to be written anew."""

LONGEST = 600
CONTENT = ("message", "prompt", "completion", "content", "json_schema", "code.", "instructions", "stack", "choices")
"""Attributes that are not kept in files: they are long, and of no use here."""


class Staged(NamedTuple):
    """What was served, what was emitted about it, batch by batch, and which case each trace is."""

    served: list[Served]
    batches: list[Sequence[Emission]]
    cases: dict[str, str]

    @property
    def emissions(self) -> list[Emission]:
        return [emission for batch in self.batches for emission in batch]


def python_of(emitter: str) -> Path:
    return ENVIRONMENTS / HOMES[emitter] / "bin" / "python"


def run(emitter: str, *cases: str) -> Staged:
    """All that one emitter says about its cases, by real OTLP/HTTP through the real receiver."""
    keeper = Keeper()
    with Simulator(seed=1) as simulator, serving(Door(keeper), keeper) as sidecar:
        witness = Witness(simulator)
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "OTEL"))}
        environment |= {"OTEL_EXPORTER_OTLP_ENDPOINT": sidecar.url, "PYTHONWARNINGS": "ignore"}
        done = subprocess.run(
            [python_of(emitter), HERE / "app.py", emitter, simulator.url, *cases],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    staged = Staged(witness.served, [batch.emissions for batch in keeper.batches], {})
    return staged._replace(cases=dict(_cases(staged.emissions, witness.served)))


def _cases(emissions: list[Emission], served: list[Served]) -> Iterator[tuple[str, str]]:
    """A case is the name of the span around it; without one, cases and traces are in the same order."""
    named = {emission.trace_id: emission.name for emission in emissions if emission.name.startswith("case ")}
    if named:
        yield from ((trace_id, name.removeprefix("case ")) for trace_id, name in named.items())
        return
    traces = dict.fromkeys(one.trace_id for one in sorted(emissions, key=lambda one: one.started_at))
    yield from zip(traces, (each.case for each in served), strict=True)


def read(emitter: str) -> Staged:
    """What was written to a file before."""
    kept = json.loads((EMITTED / f"{emitter}.json").read_text())
    resources = kept["resources"]
    emissions = [
        Emission(**{**each, "resource": resources[each["resource"]], "events": _events(each)})
        for each in kept["emissions"]
    ]
    return Staged([Served(**each) for each in kept["served"]], [emissions], kept["cases"])


def _events(kept: Mapping[str, Any]) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    return tuple((name, attributes) for name, attributes in kept.get("events", ()))


def write(emitter: str, staged: Staged) -> None:
    resources = [json.loads(text) for text in {json.dumps(dict(one.resource)): 0 for one in staged.emissions}]
    defaults = Emission("span", "", "", {})._asdict()
    emissions = []
    for one in staged.emissions:
        fields = {name: value for name, value in one._asdict().items() if value != defaults[name] or name in NEEDED}
        fields["attributes"] = _short(one.attributes)
        fields["resource"] = resources.index(dict(one.resource))
        if one.events:
            fields["events"] = [(name, _short(attributes)) for name, attributes in one.events]
        emissions.append(fields)
    kept = {
        "served": [each._asdict() for each in staged.served],
        "cases": staged.cases,
        "resources": resources,
        "emissions": emissions,
    }
    lines = [f'"{name}":{_lines(value)}' for name, value in kept.items()]
    (EMITTED / f"{emitter}.json").write_text("{" + ",\n".join(lines) + "}\n")


NEEDED = ("kind", "name", "scope")


def _lines(value: Any) -> str:
    if isinstance(value, list):
        return "[\n" + ",\n".join(json.dumps(item, separators=(",", ":")) for item in value) + "\n]"
    return json.dumps(value, separators=(",", ":"))


def _short(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in attributes.items()
        if len(str(value)) <= LONGEST and ("token" in name or not any(mark in name for mark in CONTENT))
    }


if __name__ == "__main__":
    EMITTED.mkdir(exist_ok=True)
    for wanted in sys.argv[1:] or HOMES:
        write(wanted, run(wanted))
