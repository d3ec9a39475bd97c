"""A whole policy: read from TOML and JSON, written back, and everything that is wrong with one."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.processes import environment
from policy import written
from tollkeeper.model import Limit, Match, Window
from tollkeeper.policy import Policy
from tollkeeper.policy.document import policy_document, read_json, read_policy, read_toml, write_toml
from tollkeeper.policy.mistakes import PolicyError

BERLIN = "Europe/Berlin"
DOLLAR = 1_000_000_000


def mistakes_of(text: str) -> list[str]:
    with pytest.raises(PolicyError) as raised:
        read_toml(text, "policy.toml")
    return str(raised.value).splitlines()


def limit_of(fields: str) -> Limit:
    (limit,) = read_toml(f"[[limit]]\n{fields}", "policy.toml").limits
    return limit


def mistake_of(fields: str) -> str:
    """The only mistake in a limit, without its place."""
    (mistake,) = mistakes_of(f"[[limit]]\n{fields}")
    return mistake.partition(": limit[0].")[2]


def test_every_field_is_read() -> None:
    policy = read_toml(
        """
        [policy]
        name = "acme"
        time_zone = "Europe/Berlin"

        [[limit]]
        limit = "$5 / day per tenant and model"
        match = { provider = "openai", model = ["gpt-4*", "o3"], operation = "chat", tags = { priority = ["", "low"] } }
        exempt = ["ollama/*", "*/free-*", { operation = "embed*", tags = { feature = "support" } }]
        at = [100, 80, 80]
        on_exceeded = "wait 30s"
        on_unavailable = "deny"
        unbounded = "refuse"

        [[limit]]
        name = "output of a month"
        measure = "output_tokens"
        amount = "2M"
        window = "month"
        time_zone = "America/New_York"
        per = ["user", "tenant"]
        mode = "soft"
        unbounded = 1000

        [[limit]]
        measure = "concurrency"
        amount = 10
        per = "tenant"

        [[limit]]
        measure = "usd"
        amount = 0.5
        window = "request"
        """,
        "policy.toml",
    )
    assert policy == Policy(
        "acme",
        (
            Limit(
                "usd-day-per-tenant-and-model",
                "usd",
                5 * DOLLAR,
                Window("day", BERLIN),
                match=Match(("openai",), ("gpt-4*", "o3"), ("chat",), {"priority": ("", "low")}),
                per=("tenant", "model"),
                at=(80, 100),
                wait=30.0,
                on_unavailable="deny",
                exempt=(
                    Match(("ollama",)),
                    Match(model=("free-*",)),
                    Match(operation=("embed*",), tags={"feature": ("support",)}),
                ),
                unbounded="refuse",
            ),
            Limit(
                "output of a month",
                "output_tokens",
                2_000_000,
                Window("month", "America/New_York"),
                per=("tenant", "user"),
                mode="soft",
                unbounded=1000,
            ),
            Limit("concurrency-per-tenant", "concurrency", 10, per=("tenant",)),
            Limit("usd-per-request", "usd", 500_000_000),
        ),
    )


def test_a_limit_alone_is_as_usual() -> None:
    assert limit_of('limit = "$10 / day"') == Limit("usd-day", "usd", 10 * DOLLAR, Window("day"))
    assert read_toml("", "policy.toml") == read_json("{}", "policy.json") == Policy()


def test_a_form_and_fields_that_agree() -> None:
    form = 'limit = "$10 / day per tenant"'
    agreeing = 'measure = "usd"\namount = "$10.00"\nwindow = "day"\nper = "tenant"'
    assert limit_of(f"{form}\n{agreeing}") == limit_of(form) == limit_of(f"{agreeing}\n")
    assert limit_of('limit = "$10 / day"\nper = ["user"]') == limit_of('limit = "$10 / day per user"')
    assert limit_of('limit = "$1 per request"\nwindow = "request"\nper = "global"') == limit_of(
        'limit = "$1 per request"'
    )


@pytest.mark.parametrize(
    ("field", "mistake"),
    [
        ('measure = "tokens"', "measure: 'tokens'; expected 'usd'"),
        ("amount = 12", "amount: 12; expected '$10'"),
        ('window = "month"', "window: 'month'; expected 'rolling day burst $5'"),
        ('window = "day"', "window: 'day'; expected 'rolling day burst $5'"),
        ('window = "request"', "window: 'request'; expected 'rolling day burst $5'"),
        ('per = ["user"]', "per: ['user']; expected 'tenant and model'"),
        ('per = "global"', "per: 'global'; expected 'tenant and model'"),
    ],
)
def test_a_form_and_fields_that_contradict(field: str, mistake: str) -> None:
    told = mistake_of(f'limit = "$10 / rolling day burst $5 per model and tenant"\n{field}')
    assert told == f"{mistake}, as `limit` says, or only one of the two"


@pytest.mark.parametrize(
    ("fields", "mistake"),
    [
        ("", "limit: missing; expected a form such as"),
        ("limit = 5", 'limit: 5; expected a form such as "60 requests / minute per user"'),
        ('limit = "$10 / dya"', "limit: '$10 / dya'; expected 'day' in place of 'dya'"),
        ("amount = 5\nwindow = 'day'", "measure: missing; expected one of requests, tokens"),
        ("measure = 'usd'\nwindow = 'day'", "amount: missing; expected how much, such as 60 or 2M; of usd, dollars"),
        ("measure = 'usd'\namount = 5", 'window: missing; expected a time, such as "minute"'),
        ("measure = 'usd'\namount = '5e3'\nwindow = 'day'", "amount: '5e3'; expected US dollars from $0"),
        ("measure = 'usd'\namount = nan\nwindow = 'day'", "amount: NaN; expected US dollars from $0"),
        ("measure = 'tokens'\namount = 2.5\nwindow = 'day'", "amount: 2.5; expected a whole number from 0"),
        ("measure = 'token'\namount = 2\nwindow = 'day'", "measure: 'token'; expected 'tokens'"),
        ("measure = 'requests'\namount = 2\nwindow = 'request'", "window: 'request'; expected a time, as each"),
        ("measure = 'requests'\namount = 2\nwindow = 60", 'window: 60; expected a time, such as "minute"'),
        ("measure = 'requests'\namount = 2\nwindow = ''", "window: ''; expected one of second, minute"),
        ("measure = 'concurrency'\namount = 2\nwindow = 'day'", "window: 'day'; expected no time"),
    ],
)
def test_what_is_limited_is_wrong(fields: str, mistake: str) -> None:
    assert mistake_of(fields).startswith(mistake)


@pytest.mark.parametrize(
    ("field", "mistake"),
    [
        ("amuont = 5", "amuont: 5; expected a known field; did you mean 'amount'?"),
        ("zzz = 5", "zzz: 5; expected a known field; one of amount, at, exempt, limit, match"),
        ('"a b" = 5', "'a b': 5; expected a known field"),
        ('name = ""', "name: ''; expected a name of letters, digits"),
        ('name = "a/b"', "name: 'a/b'; expected a name of letters, digits"),
        (f'name = "{"n" * 101}"', f"name: '{'n' * 76}...; expected a name of letters, digits"),
        ("name = 7", "name: 7; expected a name of letters, digits"),
        ("match = 'gpt-4'", "match: 'gpt-4'; expected a table such as { provider"),
        ("match = { modle = 'x' }", "match.modle: 'x'; expected a known field; did you mean 'model'?"),
        ("match = { model = [] }", "match.model: []; expected a glob such as"),
        ("match = { model = '' }", "match.model: ''; expected a glob such as"),
        ("match = { model = ['x', 5] }", "match.model: ['x', 5]; expected a glob such as"),
        ("match = { operation = 'caht' }", "match.operation: 'caht'; expected an operation; did you mean 'chat'?"),
        ("match = { tags = 'x' }", "match.tags: 'x'; expected a table such as { priority"),
        ("match = { tags = { 'a b' = 5 } }", "match.tags.'a b': 5; expected a glob such as"),
        ("per = 'tennant'", "per: 'tennant'; expected names of tenant, project, user"),
        ("per = ['tenant', 5]", "per: ['tenant', 5]; expected names of tenant, project, user"),
        ("per = [['tenant']]", "per: [['tenant']]; expected names of tenant"),
        ("per = 5", "per: 5; expected names of tenant"),
        ("time_zone = 'Europe/Berlni'", "time_zone: 'Europe/Berlni'; expected a time zone, such as"),
        ("time_zone = '../etc/passwd'", "time_zone: '../etc/passwd'; expected a time zone, such as"),
        ("mode = 'sotf'", "mode: 'sotf'; expected 'soft'"),
        ("mode = true", "mode: True; expected one of hard, soft"),
        ("at = [50, '80']", "at: [50, '80']; expected whole percentages from 1 to 1,000"),
        ("at = 0", "at: 0; expected whole percentages"),
        ("at = [true]", "at: [True]; expected whole percentages"),
        ("at = [0.5]", "at: [0.5]; expected whole percentages"),
        ("on_exceeded = 'wait'", "on_exceeded: 'wait'; expected \"deny\", or a wait such as"),
        ("on_exceeded = 'wait 0s'", "on_exceeded: 'wait 0s'; expected"),
        ("on_exceeded = 'wait 61m'", "on_exceeded: 'wait 61m'; expected"),
        ("on_exceeded = 30", "on_exceeded: 30; expected"),
        ("on_exceeded = 'deny'\nmode = 'soft'", "on_exceeded: 'deny'; expected nothing, as a limit of mode"),
        ("on_unavailable = 'alow'", "on_unavailable: 'alow'; expected 'allow'"),
        ("exempt = ['ollama']", "exempt[0]: 'ollama'; expected words such as"),
        ("exempt = ['ollama/*', {}]", "exempt[1]: {}; expected words such as"),
        ("exempt = { model = 5 }", "exempt.model: 5; expected a glob"),
        ("exempt = 5", "exempt: 5; expected words such as"),
        ("unbounded = 0", 'unbounded: 0; expected tokens, or "refuse"; a whole number from 1'),
        ("unbounded = 'deny'", "unbounded: 'deny'; expected tokens"),
        ("unbounded = 0x" + "f" * 5000, "unbounded: a number that is too long to show; expected tokens"),
    ],
)
def test_a_field_is_wrong(field: str, mistake: str) -> None:
    assert mistake_of(f'limit = "$10 / day"\n{field}').startswith(mistake)


@pytest.mark.parametrize("form", ["$1 per request", "5 concurrent calls", "$1 / rolling day"])
def test_a_time_zone_where_none_is_needed(form: str) -> None:
    told = mistake_of(f'limit = "{form}"\ntime_zone = "Europe/Berlin"')
    assert told.startswith("time_zone: 'Europe/Berlin'; expected none, as only")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("deny", 0.0), ("wait 30s", 30.0), ("wait 1.5 m", 90.0), ("wait 250ms", 0.25), ("wait 60m", 3600.0)],
)
def test_waits(text: str, seconds: float) -> None:
    assert limit_of(f'limit = "$10 / day"\non_exceeded = "{text}"').wait == seconds


def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines() -> None:
    text = """\
[policy]
nmae = "acme"
name = ""
time_zone = "Mars"
preset = ["seed", "mediun"]

[[limit]]
limit = "60 requsts / minute"
amuont = 5
mode = "sotf"

[[limit]]     # the amount is missing
name = "tokens"
measure = "tokens"
window = "day"
exempt = [
  "ollama/*",
  "local",
]

[limit.match]
tags = { feature = "x", priority = [
  5,
] }

[[rung]]
"""
    assert mistakes_of(text) == [
        "policy.toml:2: policy.nmae: 'acme'; expected a known field; did you mean 'name'?",
        "policy.toml:3: policy.name: ''; expected a text that is not empty, on one line",
        "policy.toml:4: policy.time_zone: 'Mars'; expected a time zone, such as \"Europe/Berlin\"",
        "policy.toml:5: policy.preset: ['seed', 'mediun']; expected 'medium'",
        "policy.toml:8: limit[0].limit: '60 requsts / minute'; expected 'requests' in place of 'requsts'",
        "policy.toml:9: limit[0].amuont: 5; expected a known field; did you mean 'amount'?",
        "policy.toml:10: limit[0].mode: 'sotf'; expected 'soft'",
        "policy.toml:12: limit[1].amount: missing; expected how much, such as 60 or 2M; of usd, dollars",
        "policy.toml:18: limit[1].exempt[1]: 'local'; expected words such as \"ollama/*\", a provider and a model,"
        " or tables of provider, model, operation and tags",
        'policy.toml:22: limit[1].match.tags.priority: [5]; expected a glob such as "gpt-4*", or a list of them',
        "policy.toml:26: rung: [{}]; expected a known table; one of anomaly, detection, emergency, endpoint, fallback,"
        " ladder, limit, policy, quality",
    ]


def test_the_places_in_json_have_no_lines() -> None:
    text = (
        '{"limit": [{"limit": "$5 / day"}, 5, {"measure": "usd", "amount": "x", "window": "day", "per": null}], "a": 1}'
    )
    with pytest.raises(PolicyError) as raised:
        read_json(text, "request")
    assert str(raised.value).splitlines() == [
        "request: a: 1; expected a known table; one of anomaly, detection,"
        " emergency, endpoint, fallback, ladder, limit, policy, quality",
        "request: limit[1]: 5; expected a table, headed [[limit]]",
        "request: limit[2].amount: 'x'; expected US dollars from $0 to $9,007,199.254740992, exact to a billionth,"
        " such as 0.50",
    ]


@pytest.mark.parametrize("tables", ["policy = 5", "[[policy]]"])
def test_policy_is_one_table(tables: str) -> None:
    (mistake,) = mistakes_of(tables)
    assert mistake.startswith("policy.toml:1: policy: ") and mistake.endswith("; expected a table, headed [policy]")


@pytest.mark.parametrize("tables", ["limit = 5", "[limit]\nlimit = '$5 / day'"])
def test_limits_are_several_tables(tables: str) -> None:
    (mistake,) = mistakes_of(tables)
    assert mistake.startswith("policy.toml:1: limit: ") and mistake.endswith("expected tables, each headed [[limit]]")


def test_two_limits_of_one_name() -> None:
    text = (
        '[[limit]]\nlimit = "$5 / day"\n[[limit]]\nlimit = "$50 / day"\n'
        '[[limit]]\nname = "usd-day"\nlimit = "5 tokens / day"\n'
    )
    same = "limit in line 1: give one of them a name of its own"
    assert mistakes_of(text) == [
        f"policy.toml:3: limit[1].name: 'usd-day'; expected another name than that of the {same}",
        f"policy.toml:6: limit[2].name: 'usd-day'; expected another name than that of the {same}",
    ]
    document = json.dumps({"limit": [{"limit": "$5 / day"}, {"limit": "$6 / day"}]})
    with pytest.raises(PolicyError, match=r"than that of limit\[0\]: give"):
        read_json(document, "request")


def test_a_limit_in_the_file_comes_in_place_of_the_presets() -> None:
    policy = read_toml(
        '[policy]\ntime_zone = "Europe/Berlin"\npreset = ["seed", "medium"]\n'
        '[[limit]]\nlimit = "$7 / day"\n[[limit]]\nlimit = "5 concurrent calls"',
        "policy.toml",
    )
    limits = {limit.name: limit for limit in policy.limits}
    assert list(limits) == [
        "requests-minute", "tokens-minute", "usd-per-request", "usd-day", "requests-minute-per-user",
        "requests-hour-per-user", "requests-day-per-user", "requests-month-per-user", "usd-week", "usd-month",
        "concurrency",
    ]  # fmt: skip
    assert limits["usd-day"] == Limit("usd-day", "usd", 7 * DOLLAR, Window("day", BERLIN))
    assert limits["usd-week"].window == Window("week", BERLIN)


@pytest.mark.parametrize(
    ("text", "where", "told"),
    [
        ("[policy", "a.toml", "a.toml: not valid TOML: "),
        ("a = 1\na = 2\n", "a.toml", "a.toml: not valid TOML: Cannot overwrite a value (at line 2"),
        ("a = " + "[" * 100_000, "a.toml", "a.toml: not valid TOML: "),
        ("a = " + "9" * 5000, "a.toml", "a.toml: not valid TOML: "),
        ("{", "a.json", "a.json: not valid JSON: "),
        ("[" * 100_000, "a.json", "a.json: not valid JSON: "),
        ("[1]", "a.json", "a.json: [1]; expected an object"),
        (b"\xff\xfe", "a.toml", "a.toml: not UTF-8: "),
    ],
    ids=range(8),
)
def test_a_file_that_is_none(text: str | bytes, where: str, told: str) -> None:
    with pytest.raises(PolicyError) as raised:
        read_policy(text, where)
    assert str(raised.value).startswith(told)
    assert "\n" not in str(raised.value)


def test_a_file_is_read_as_its_name_says() -> None:
    expected = Policy(limits=(Limit("usd-day", "usd", 5 * DOLLAR, Window("day")),))
    assert read_policy(b'\xef\xbb\xbf[[limit]]\r\nlimit = "$5 / day"\r\n', "a.toml") == expected
    assert read_policy('{"limit": [{"measure": "usd", "amount": 5.0, "window": "day"}]}', "a.json") == expected


@given(st.lists(written.limits(), max_size=4, unique_by=lambda limit: limit.name), written.texts)
def test_what_is_written_is_read_as_the_same(limits: list[Limit], name: str) -> None:
    policy = Policy(name, tuple(limits))
    document = policy_document(policy)
    assert read_json(json.dumps(document), "policy") == policy
    assert read_toml(write_toml(policy), "policy") == policy
    assert policy_document(read_json(json.dumps(document), "policy")) == document


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = ("name", "limit", "match", "per", "measure", "amount", "window", "time_zone", "mode", "at", "on_exceeded",
          "on_unavailable", "exempt", "unbounded", "other")  # fmt: skip
USUAL: dict[str, Any] = {"limit": "$5 / day", "match": {"model": "x"}, "exempt": ["a/b"], "measure": "usd"}


@given(st.dictionaries(st.sampled_from(FIELDS), anything), st.sets(st.sampled_from(sorted(USUAL))), anything)
def test_any_json_is_a_policy_or_a_policy_error(fields: dict[str, Any], usual: set[str], head: Any) -> None:
    row = fields | {key: USUAL[key] for key in usual}
    for document in ({"limit": [row]}, {"limit": [USUAL], "policy": head}, {"policy": row, "limit": head}):
        try:
            policy = read_json(json.dumps(document), "request")
        except PolicyError as error:
            assert all(line.startswith("request: ") for line in str(error).splitlines())
        else:
            assert read_json(json.dumps(policy_document(policy)), "request") == policy


def test_importing_it_is_light() -> None:
    heavy = ("pydantic", "sqlalchemy", "genai_prices", "httpx", "httpx2", "rich", "opentelemetry.sdk", "sqlite3")
    program = (
        "import sys, tollkeeper.policy, tollkeeper.policy.document\n"
        f"print(*[name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(""), capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == []
