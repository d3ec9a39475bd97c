"""Each number, operator, choice of labels and waiting time of a rule, made wrong, one at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from grafana.rules.promtool import Rule
from tollkeeper.grafana.rules import Alert

WRONG = {
    ">=": ("<", ">"), "<=": (">",), "==": ("!=",), "!=": ("=",), ">": ("<=",), "<": (">=",),
    "+": ("-",), "-": ("+",), "*": ("/",), "/": ("*",),
    "and": ("or", "unless"), "or": ("and",), "unless": ("and",),
    "max": ("min",), "min": ("max",), "clamp_min": ("clamp_max",),
    "=~": ("!~",), "!~": ("=~",), "=": ("!=",),
}  # fmt: skip
TOKEN = re.compile(
    r"""
      \[[^]]*\]                                    # a range
    | "(?:[^"\\]|\\.)*"                            # a text
    | offset\s+\w+
    | \b(?:by|on|without)\s*\([^()]*\)
    | \b(?:group_left|group_right)\s*\(\)
    | [a-zA-Z_][\w:]*                              # a name, or a word such as `and`
    | \d+(?:\.\d+)?
    | >=|<=|==|!=|=~|!~|[><+*/=-]
    """,
    re.VERBOSE,
)
A_FIFTH = 1.2
ALWAYS = "vector(1)"
MINUTES = {"m": 1, "h": 60}


def mutants(rule: Rule) -> Iterator[Rule]:
    """The rule, wrong in one way each, and with a name of its own each."""
    for number, (expr, hold) in enumerate(_wrong(rule), 1):
        name = f"{rule.name}__{number}"
        yield (
            replace(rule, name=name, expr=expr, hold=hold)
            if isinstance(rule, Alert)
            else replace(rule, name=name, expr=expr)
        )


def _wrong(rule: Rule) -> Iterator[tuple[str, str]]:
    hold = rule.hold if isinstance(rule, Alert) else ""
    if rule.expr == ALWAYS:
        return
    for found in TOKEN.finditer(rule.expr):
        for wrong in _instead(found.group()):
            yield rule.expr[: found.start()] + wrong + rule.expr[found.end() :], hold
    if hold:
        seconds = int(hold[:-1]) * MINUTES[hold[-1]] * 60
        yield rule.expr, f"{seconds * 2}s"
        yield rule.expr, f"{seconds // 2}s"


def _instead(token: str) -> tuple[str, ...]:
    if not token[0].isdigit():
        return WRONG.get(token, ())
    number = float(token)
    return (f"{number * A_FIFTH:.6g}", f"{number / A_FIFTH:.6g}") if number else ("1",)
