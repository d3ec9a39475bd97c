"""`python -m tollkeeper.simulator`: the simulated provider as a process of its own."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from tollkeeper.simulator.knobs import Knobs
from tollkeeper.simulator.server import Simulator

KNOBS = tuple(field.name for field in fields(Knobs))


def parser() -> argparse.ArgumentParser:
    """Every knob is a flag."""
    flags = argparse.ArgumentParser(prog="python -m tollkeeper.simulator", description=__doc__)
    flags.add_argument("--host", default="127.0.0.1")
    flags.add_argument("--port", type=int, default=8089, help="0: any free one, printed at the start")
    flags.add_argument("--recordings", type=Path, action="append", default=[], metavar="DIR", help="may be repeated")
    flags.add_argument("--strict", action="store_true", help="only recordings of the same conversation")
    flags.add_argument(
        "--make-answers",
        action=argparse.BooleanOptionalAction,
        default=None,
        dest="makes_answers",
        help="make an answer where there is no recording (by default, when there are no recordings at all)",
    )
    flags.add_argument("--key", action="append", dest="keys", help="a credential that is taken; may be repeated")
    flags.add_argument("--keep", type=int, default=1000, help="how many requests are remembered")
    flags.add_argument("--seed", type=int, default=None)
    knobs = flags.add_argument_group("knobs", "as in the header X-Simulator")
    for name in KNOBS:
        knobs.add_argument("--" + name.replace("_", "-"), default=None)
    return flags


def main(arguments: Sequence[str] | None = None) -> None:
    flags = parser()
    options = vars(flags.parse_args(arguments))
    turned = {name: value for name in KNOBS if (value := options.pop(name)) is not None}
    try:
        simulator = Simulator(**options, **turned)
    except ValueError as error:
        flags.error(str(error))
    # As the first process of a container it would otherwise not hear that it is to end.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(f"simulating on {simulator.url}, {len(simulator.provider.library or ())} recordings", flush=True)
    try:
        simulator.serve()
    except KeyboardInterrupt:
        simulator.stop()


if __name__ == "__main__":
    main()
