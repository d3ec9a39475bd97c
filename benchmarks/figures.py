"""From blocks of calls to figures: medians, their intervals, and the table."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

RESAMPLES = 1000
Blocks = dict[str, dict[str, list[float]]]
"""Worker -> case -> the microseconds of one call, one number a round."""

COLUMNS = {
    "plain": "plain call",
    "chunk": "each chunk",
    "async": "async, 64 at once",
    "anthropic": "anthropic",
    "all_threads": "plain, all threads",
}


def interval(values: Sequence[float], seed: int = 1) -> tuple[float, float]:
    """The 95 % bootstrap interval of the median."""
    draw = random.Random(seed)
    medians = sorted(median(draw.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return medians[int(RESAMPLES * 0.025)], medians[int(RESAMPLES * 0.975)]


def added(blocks: Blocks, worker: str, baseline: str) -> dict[str, dict[str, Any]]:
    """What a worker's calls take longer than those of the uninstrumented process beside it, round by round."""

    def differences(case: str) -> list[float]:
        mine, bare = blocks[worker][case], blocks[baseline][case]
        return [one - other for one, other in zip(mine, bare, strict=True)]

    per_chunk = [
        (long - short) / 90 for long, short in zip(differences("stream_100"), differences("stream_10"), strict=True)
    ]
    found = {case: differences(case) for case in COLUMNS if case != "chunk"} | {"chunk": per_chunk}
    return {
        case: {"added": median(values), "interval": interval(values), "rounds": len(values)}
        for case, values in found.items()
    }


def own(blocks: Blocks, worker: str) -> dict[str, dict[str, Any]]:
    """What the uninstrumented call itself takes."""
    cases = blocks[worker]
    chunk = [(long - short) / 90 for long, short in zip(cases["stream_100"], cases["stream_10"], strict=True)]
    return {case: {"own": median(chunk if case == "chunk" else cases[case])} for case in COLUMNS}


def table(results: dict[str, Any]) -> str:
    """The two tables of one run."""
    contestants = results["contestants"]
    floor = contestants.get("floor", {}).get("cases")
    speed = [["added µs [95 % interval]", *(f"{title} | × floor" for title in COLUMNS.values())]]
    rest = [["", "start ms", "start CPU ms", "blocks kept", "kB kept"]]
    for name, found in contestants.items():
        cells = [cell for case in COLUMNS for cell in _speed(case, found["cases"][case], floor and floor[case])]
        speed.append([name, *cells])
        rest.append([name, *_start(found["starts"]), *_kept(found.get("memory"))])
    speed[0] = [cell for title in speed[0] for cell in title.split(" | ")]
    calls = results["memory_calls"]
    return "\n".join(
        [
            *_lines(speed),
            "",
            f"Start: import and instrument, and the CPU time until the process is quiet. Kept: after {calls} calls.",
            "",
            *_lines(rest),
        ]
    )


def _speed(case: str, found: dict[str, Any], floor: dict[str, Any] | None) -> tuple[str, str]:
    digits = 2 if case == "chunk" else 0
    if "own" in found:
        return f"({found['own']:.{digits}f})", "–"
    low, high = found["interval"]
    text = f"{found['added']:+.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
    if floor is None or floor["interval"][0] <= 0:  # a multiple of what may be nothing says nothing
        return text, "–"
    return text, f"{found['added'] / floor['added']:.1f}"


def _start(starts: list[dict[str, Any]]) -> tuple[str, str]:
    return tuple(f"{median(start[name] for start in starts):.0f}" for name in ("start_ms", "start_cpu_ms"))


def _kept(memory: dict[str, Any] | None) -> tuple[str, str]:
    return (f"{memory['blocks']:+d}", f"{memory['kilobytes']:+d}") if memory else ("–", "–")


def _lines(rows: list[list[str]]) -> Iterable[str]:
    """Aligned, and Markdown all the same."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rows = [rows[0], ["-" * width for width in widths], *rows[1:]]
    for row in rows:
        first, *others = [(cell.ljust if not n else cell.rjust)(widths[n]) for n, cell in enumerate(row)]
        yield "| " + " | ".join((first, *others)) + " |"
