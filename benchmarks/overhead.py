"""What an instrumentation adds to a call: Tollkeeper, a hand-written floor, and other instrumentations, side by side.

Every contestant runs in a process of its own, beside an uninstrumented one with the same versions. Rounds go through
all cases and all processes in a new random order; what counts is the difference within a round.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import figures
from environments import CACHE, ROOT, Unavailable, interpreter
from processes import Contestant, Died, Worker, start

PEERS = ("openllmetry", "openlit", "openinference", "official")
CASES = {"plain": 1, "stream_10": 1, "stream_100": 1, "async": 64, "anthropic": 1, "all_threads": 100}
"""And how many calls each makes in one go."""
RESULTS = Path(__file__).resolve().parent / "results" / "latest.json"

BARE, AGAIN, OURS = "uninstrumented", "the same again", "tollkeeper"
BLOCK_SECONDS = 0.03
LEAST_ROUNDS = 3


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    add = parser.add_argument
    add("--peers", default="all", metavar="NAMES", help=f"all, none, or some of {','.join(PEERS)} (default: all)")
    add("--quick", action="store_true", help="within a minute, with wider intervals")
    add("--seconds", type=float, help="how long the rounds go on (default: 80; quick: 12)")
    add("--rounds", type=int, help="so many rounds, however long they take")
    add("--starts", type=int, help="how often each start is measured (default: 3; quick: 1)")
    add("--memory-calls", type=int, help="calls of the memory test (default: 20000; quick: 1000; 0: none)")
    add("--also", action="append", default=[], metavar="NAME=SRC", help="another tree of Tollkeeper, measured beside")
    add("--here", action="store_true", help="ours and the floor in this very Python, without an environment")
    add("--environments", type=Path, default=CACHE, metavar="DIR", help="where the environments are")
    add("--wall", action="store_true", help="time by the clock on the wall, instead of by the thread's CPU time")
    add("--output", type=Path, default=RESULTS, metavar="FILE", help="where the figures go, as JSON")
    add("--verbose", action="store_true", help="show what the processes say")
    options = parser.parse_args()
    for name, quick, default in (("seconds", 12.0, 80.0), ("starts", 1, 3), ("memory_calls", 1000, 20_000)):
        if getattr(options, name) is None:
            setattr(options, name, quick if options.quick else default)
    unknown = {name for name in options.peers.split(",") if name} - {*PEERS, "all", "none"}
    if unknown:
        parser.error(f"--peers: {', '.join(sorted(unknown))}; expected all, none, or some of {', '.join(PEERS)}")
    return options


def contestants(options: argparse.Namespace) -> list[Contestant]:
    """Whoever takes part, each one after the one that it is compared with."""
    found = [
        Contestant(BARE, "ours", "nothing"),
        Contestant(AGAIN, "ours", "nothing", BARE),
        Contestant("floor", "ours", "floor", BARE),
        Contestant(OURS, "ours", "tollkeeper", BARE, ROOT / "src"),
    ]
    for spec in options.also:
        name, _, source = spec.partition("=")
        found.append(Contestant(name, "ours", "tollkeeper", BARE, Path(source).resolve()))
    for name in {"all": PEERS, "none": ()}.get(options.peers, options.peers.split(",")):
        bare = f"{BARE} ({name})"
        found += [Contestant(bare, name, "nothing"), Contestant(name, name, name, bare)]
    return found


def begin(options: argparse.Namespace, workers: dict[str, Worker]) -> None:
    """Start all processes, one after the other. Who cannot be installed or started is named, and left out."""
    for each in contestants(options):
        if each.baseline is not None and each.baseline not in workers:
            continue
        try:
            here = options.here and each.environment == "ours"
            python = Path(sys.executable) if here else interpreter(each.environment, options.environments)
            times = 1 if each.start == "nothing" else options.starts
            workers[each.name] = start(each, python, times, options.verbose)
        except (Unavailable, Died) as why:
            print(f"Left out: {each.environment} ({why})", file=sys.stderr, flush=True)


def run(worker: Worker, case: str, times: int, wall: bool) -> float:
    """Microseconds of one call."""
    clock = "wall" if wall else "process" if case == "all_threads" else "thread"
    return worker.ask(do="run", case=case, times=times, clock=clock)["microseconds"]  # type: ignore[no-any-return]


def warm_up(workers: dict[str, Worker], wall: bool) -> dict[str, int]:
    """Run every case everywhere, until nothing is new; returns how many times each case runs in a block."""
    times = {}
    for case, at_once in CASES.items():
        for worker in workers.values():
            run(worker, case, 3 if at_once == 1 else 1, wall)
        once = run(workers[BARE], case, 3, wall) * at_once
        times[case] = max({1: 5, 64: 2}.get(at_once, 1), int(BLOCK_SECONDS * 1e6 / once))
        for worker in workers.values():
            run(worker, case, times[case], wall)
    for name, worker in workers.items():
        if not worker.ask(do="settle")["spans"] and worker.contestant.start != "nothing":
            print(f"Note: {name} has recorded no spans", file=sys.stderr)
    return times


def measure(workers: dict[str, Worker], times: dict[str, int], options: argparse.Namespace) -> figures.Blocks:
    blocks: figures.Blocks = {name: {case: [] for case in CASES} for name in workers}
    shuffled, until, rounds = random.Random(1), time.monotonic() + options.seconds, 0
    while rounds < (options.rounds or LEAST_ROUNDS) or (not options.rounds and time.monotonic() < until):
        for case in shuffled.sample(list(CASES), len(CASES)):
            for name in shuffled.sample(list(workers), len(workers)):
                blocks[name][case].append(run(workers[name], case, times[case], options.wall))
        rounds += 1
    return blocks


def measure_memory(workers: dict[str, Worker], calls: int) -> dict[str, Any]:
    """What each has kept after so many calls; two processes at a time."""
    names = [name for name, worker in workers.items() if name == BARE or worker.contestant.baseline and name != AGAIN]
    with ThreadPoolExecutor(2) as pool:
        grown = pool.map(lambda name: workers[name].ask(do="grow", calls=calls), names if calls else ())
        return dict(zip(names, grown, strict=False))


def summary(
    workers: dict[str, Worker], blocks: figures.Blocks, memory: dict[str, Any], options: argparse.Namespace
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, worker in workers.items():
        baseline = worker.contestant.baseline
        if baseline is None and name != BARE:
            continue  # the uninstrumented process of a peer is in `blocks`
        cases = figures.own(blocks, name) if baseline is None else figures.added(blocks, name, baseline)
        found[name] = {"cases": cases, "starts": worker.starts, "memory": memory.get(name)}
    return {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, {platform.system()}",
        "python": platform.python_version(),
        "clock": "wall" if options.wall else "CPU time of the calling thread",
        "load": os.getloadavg() if hasattr(os, "getloadavg") else (),
        "memory_calls": options.memory_calls,
        "contestants": found,
        "blocks": blocks,
    }


def main() -> None:
    options = arguments()
    workers: dict[str, Worker] = {}
    try:
        begin(options, workers)
        if BARE not in workers:
            sys.exit("Nothing to compare with: the uninstrumented process could not be started")
        blocks = measure(workers, warm_up(workers, options.wall), options)
        memory = measure_memory(workers, options.memory_calls)
        results = summary(workers, blocks, memory, options)
    except Died as why:
        sys.exit(str(why))
    finally:
        for worker in workers.values():
            worker.end()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(results, indent=1))
    rounds = len(blocks[BARE]["plain"])
    print(f"{results['date']}, Python {results['python']}, {results['machine']}, {rounds} rounds\n")
    print(figures.table(results))


if __name__ == "__main__":
    main()
