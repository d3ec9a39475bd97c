"""In which line of a TOML text everything stands."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.policy.toml_lines import Place, lines_of

ROOT = Path(__file__).parents[2]

TEXT = '''
# [[limit]] in a comment
title = "a # b" # [[limit]]
[policy]
name = """
[[limit]]
name = "not a key\\""""""
"quoted key".'and "another"' = 'C:\\'

[[limit]]
per = [ # ]
  "user", "tenant", # one "more"
  [1, 2],

  { model = "x", tags = { a = ["b"] } },
]
at = 1979-05-27 07:32:00Z
match.model = "gpt-4*"
match.tags = {}

[limit.extra.deeper]
empty = []
text = \'\'\'
}]
\'\'\'

  [[limit]]
  [[limit.row]]
  a = 1
  [[limit.row]]
  a = 1
[[ "limit" ]]
a="\\u0041"
"\\U0001F600" = true'''

LINES: dict[Place, int] = {
    ("title",): 3,
    ("policy",): 4,
    ("policy", "name"): 5,
    ("policy", "quoted key"): 8,
    ("policy", "quoted key", 'and "another"'): 8,
    ("limit",): 10,
    ("limit", 0): 10,
    ("limit", 0, "per"): 11,
    ("limit", 0, "per", 0): 12,
    ("limit", 0, "per", 1): 12,
    ("limit", 0, "per", 2): 13,
    ("limit", 0, "per", 2, 0): 13,
    ("limit", 0, "per", 2, 1): 13,
    ("limit", 0, "per", 3): 15,
    ("limit", 0, "per", 3, "model"): 15,
    ("limit", 0, "per", 3, "tags"): 15,
    ("limit", 0, "per", 3, "tags", "a"): 15,
    ("limit", 0, "per", 3, "tags", "a", 0): 15,
    ("limit", 0, "at"): 17,
    ("limit", 0, "match"): 18,
    ("limit", 0, "match", "model"): 18,
    ("limit", 0, "match", "tags"): 19,
    ("limit", 0, "extra"): 21,
    ("limit", 0, "extra", "deeper"): 21,
    ("limit", 0, "extra", "deeper", "empty"): 22,
    ("limit", 0, "extra", "deeper", "text"): 23,
    ("limit", 1): 27,
    ("limit", 1, "row"): 28,
    ("limit", 1, "row", 0): 28,
    ("limit", 1, "row", 0, "a"): 29,
    ("limit", 1, "row", 1): 30,
    ("limit", 1, "row", 1, "a"): 31,
    ("limit", 2): 32,
    ("limit", 2, "a"): 33,
    ("limit", 2, "😀"): 34,
}


def places(value: Any, place: Place = ()) -> Iterator[Place]:
    """Everything in what `tomllib` has read."""
    if isinstance(value, dict):
        inner: list[tuple[str | int, Any]] = [*value.items()]
    else:
        inner = [*enumerate(value)] if isinstance(value, list) else []
    for key, each in inner:
        yield (*place, key)
        yield from places(each, (*place, key))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_everything_stands_where_it_does(newline: str) -> None:
    assert set(places(tomllib.loads(TEXT))) == set(LINES)
    assert lines_of(TEXT.replace("\n", newline)) == LINES


def test_an_empty_text_has_no_lines() -> None:
    assert lines_of("") == lines_of("# nothing\n\n") == {}


@pytest.mark.parametrize(
    "path", [ROOT / "pyproject.toml", *sorted((ROOT / "examples").glob("*.toml"))], ids=lambda path: str(path.name)
)
def test_everything_in_a_real_file_is_found(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = lines_of(text)
    assert set(found) == set(places(tomllib.loads(text)))
    for place, line in found.items():
        key = place[-1]
        assert isinstance(key, int) or key in text.split("\n")[line - 1]


keys = st.text("abc .\"'#=[]{}\\é", min_size=1, max_size=5).map(
    lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
)
atoms = st.sampled_from(
    ["1", "-1.5e3", "true", "1979-05-27", '"]}#"', "'\\'", '"""\n[[x]]\n\\""""""', "'''\n# ''\n''''", "0xFF", "inf"]
)
gaps = st.sampled_from([" ", "", "\n", " # ,]\n", "\n\n\t"])
values = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.lists(st.tuples(gaps, inner, gaps).map("".join), max_size=3).map(lambda each: f"[{','.join(each)}\n]"),
        st.dictionaries(keys, inner, max_size=3).map(
            lambda each: "{ " + ", ".join(f"{key} = {value}" for key, value in each.items()) + " }"
        ),
    ),
    max_leaves=8,
)


@given(st.lists(st.tuples(st.sampled_from(["", "\n", "# x = [\n"]), values), max_size=8))
def test_any_values_are_passed_over(rows: list[tuple[str, str]]) -> None:
    text, expected = "", {}
    for number, (before, value) in enumerate(rows):
        text += before
        if number % 3 == 2:
            text += "[[table]]\n"
        place: Place = ("table", number // 3 - (number % 3 != 2)) if number > 1 else ()
        expected[*place, f"key{number}"] = text.count("\n") + 1
        text += f"key{number} = {value} # {value.splitlines()[0]}\n"
    read = tomllib.loads(text)
    found = lines_of(text)
    assert set(found) == set(places(read))
    assert {place: line for place, line in found.items() if str(place[-1]).startswith("key")} == expected
