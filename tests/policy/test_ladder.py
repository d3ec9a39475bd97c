"""Ladders: which steps are in force, what becomes of a call, and how a policy says it."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from policy.test_document import mistakes_of
from tollkeeper.model import Limit, Match, Window
from tollkeeper.model.ladder import SHEDDABLE, Emergency, Endpoint, Fallback, Ladder, Step
from tollkeeper.policy import Policy, fallback_table, ladder_table
from tollkeeper.policy.document import policy_document, read_json, read_toml, write_toml
from tollkeeper.policy.ladder import Change, change_of, stays, steps_in_force

LIMIT = '[[limit]]\nlimit = "$5 / day per tenant"\ntime_zone = "Europe/Berlin"\nexempt = ["ollama/*"]\n'
DOCUMENTED = "".join(module.__doc__.partition("\n")[2] for module in (ladder_table, fallback_table) if module.__doc__)
BERLIN_DAY = Window("day", "Europe/Berlin")
OPUS = {"claude-opus-*": "claude-haiku-4-5", "gpt-4o": "gpt-4o-mini"}

CHEAPER = Step(80, "cheaper", OPUS)
CAP = Step(85, "cap_output", tokens=256)
SHED = Step(88, "shed", priorities=("low",))
SLOW = Limit("slow", "requests", 10, Window("minute"))
THROTTLE = Step(90, "throttle", throttle=SLOW)
DENY = Step(100, "deny")
LADDER = Ladder("budget", (Step(50, "alert"), CHEAPER, CAP, SHED, THROTTLE, DENY))

percentages = st.floats(0, 300)
ladders = st.lists(st.integers(1, 200), min_size=1, max_size=6).map(
    lambda ats: Ladder("budget", tuple(Step(at, "alert") for at in sorted(ats)), hysteresis=7)
)


@given(ladders, percentages, st.integers(0, 6))
def test_every_step_that_is_reached_is_in_force(ladder: Ladder, percent: float, before: int) -> None:
    in_force = steps_in_force(ladder, percent, before)
    assert in_force >= sum(step.at <= percent for step in ladder.steps)
    for step in ladder.steps[:in_force]:
        assert percent >= step.at or percent > step.at - 7, "it was reached, or has not been left"


@given(ladders, st.lists(percentages, max_size=20))
def test_a_step_is_left_only_below_its_hysteresis(ladder: Ladder, course: list[float]) -> None:
    in_force = 0
    for percent in course:
        before, in_force = in_force, steps_in_force(ladder, percent, in_force)
        for step in ladder.steps[in_force:before]:
            assert percent <= max(step.at - 7, 0), "it was left too early"
        assert steps_in_force(ladder, percent, in_force) == in_force, "the same usage changes nothing"


@given(ladders, st.integers(1, 200), st.lists(st.floats(0, 6.9), max_size=30))
def test_usage_that_wavers_within_the_hysteresis_moves_nothing(ladder: Ladder, top: int, dips: list[float]) -> None:
    in_force = steps_in_force(ladder, top, 0)
    at = max((step.at for step in ladder.steps[:in_force]), default=0)
    for dip in dips:
        assert steps_in_force(ladder, max(at - dip, 0.1), in_force) == in_force


@given(ladders, percentages | st.integers(0, 200).map(float), st.integers(0, 6))
def test_whether_it_stays_is_whether_the_number_is_the_same(ladder: Ladder, percent: float, before: int) -> None:
    in_force = min(before, len(ladder.steps))
    assert stays(ladder, percent, in_force) == (steps_in_force(ladder, percent, in_force) == in_force)


@given(ladders, st.integers(0, 6))
def test_nothing_used_has_no_steps(ladder: Ladder, before: int) -> None:
    assert steps_in_force(ladder, 0, before) == 0


def at(percent: int, model: str = "gpt-4o", priority: str = "normal", emergency: Emergency | None = None) -> Change:
    standing = [(LADDER, steps_in_force(LADDER, percent, 0))]
    return change_of(standing, emergency, model, priority)  # type: ignore[arg-type]


def test_the_steps_add_up() -> None:
    assert at(79) == Change()
    assert at(80) == Change("gpt-4o-mini", steps=("cheaper",))
    assert at(80, "claude-opus-4-5") == Change("claude-haiku-4-5", steps=("cheaper",))
    assert at(80, "o3") == Change(), "no other model is named for it"
    assert at(86) == Change("gpt-4o-mini", 256, steps=("cap_output", "cheaper"))
    assert at(90).throttles == (SLOW,)
    assert not at(90).shed
    assert at(90, priority="low") == Change(shed=True, denied_by=(LADDER, SHED), steps=("shed",))
    assert at(100, priority="critical").denied_by == (LADDER, DENY)


def test_an_emergency_goes_before_and_spares_critical_calls() -> None:
    emergency = Emergency({"gpt-*": "gpt-4.1-nano"}, tokens=64, shed=("normal", "low"), throttle=SLOW)
    assert at(0, emergency=emergency) == Change(shed=True, steps=("emergency",))
    high = at(86, priority="high", emergency=emergency)
    assert high == Change("gpt-4.1-nano", 64, (SLOW,), steps=("emergency", "cap_output"))
    assert at(0, priority="critical", emergency=emergency) == Change("gpt-4.1-nano", 64, steps=("emergency",))


def test_what_the_documentation_shows_is_read() -> None:
    policy = read_toml(LIMIT + DOCUMENTED, "policy.toml")
    (ladder,) = policy.ladders
    assert [(step.at, step.do) for step in ladder.steps] == [
        (50, "alert"), (80, "cheaper"), (85, "cap_output"), (88, "shed"), (90, "throttle"), (95, "emergency"),
        (100, "deny"),
    ]  # fmt: skip
    ollama = (Match(provider=("ollama",)),)
    throttle = Limit(
        "usd-day-per-tenant throttle 90", "requests", 10, Window("minute", "Europe/Berlin"), per=("tenant",), at=(),
        exempt=ollama,
    )  # fmt: skip
    assert ladder.steps[4].throttle == throttle, "it is for the calls of its limit, and for each of its tenants"
    assert policy.emergency is not None
    assert policy.emergency.shed == ("normal", "low")
    groq = Endpoint("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY", "groq")
    assert policy.endpoints == (groq,)
    assert policy.fallbacks == (
        Fallback(("gpt-4o-mini", "groq:llama-3.3-70b-versatile"), Match(("openai",), ("gpt-4o*",))),
    )
    assert policy.target("groq:llama-3") == ("llama-3", groq)
    assert policy.target("llama3.2:3b") == ("llama3.2:3b", None), "colons are in models' own names too"
    assert policy.changes_calls
    assert policy.keeps_health
    assert not Policy().keeps_health


def test_what_is_written_is_read_again() -> None:
    policy = read_toml(LIMIT + DOCUMENTED + "[policy]\nhealth = true\n", "policy.toml")
    assert read_toml(write_toml(policy), "written.toml") == policy
    assert policy_document(read_json(write_json(policy), "written.json")) == policy_document(policy)


def write_json(policy: Policy) -> str:
    return json.dumps(policy_document(policy))


def test_a_ladder_needs_a_limit() -> None:
    assert mistakes_of('[[ladder]]\nlimit = "a"\nsteps = [{ at = 100, do = "deny" }]') == [
        "policy.toml:2: ladder[0].limit: 'a'; expected the name of a limit; there is none yet"
    ]


def test_mistakes_are_told_with_their_lines() -> None:
    assert mistakes_of(
        """
[[limit]]
limit = "$5 / day"
[[limit]]
limit = "$1 per request"
[[ladder]]
limit = "usd-dya"
hysteresis = -1
steps = [
    { at = 0, do = "cheapr" },
    { do = "shed", priority = ["critical"] },
    { at = 3, do = "throttle", tokens = 3 },
    { at = 4, do = "cheaper", models = {} },
]
[[ladder]]
limit = "usd-per-request"
steps = [{ at = 95, do = "emergency" }, { at = 80, do = "cheaper", models = { a = "groqq:b" } }]
[[ladder]]
[[endpoint]]
name = "groq"
base_url = "groq.com"
[[endpoint]]
name = "groq"
base_url = "https://groq.com"
api_key_env = "sk-abc"
[[endpoint]]
name = "groq"
base_url = "http://[::1]:8000/v1"
[[fallback]]
on = ["6xx"]
""".strip("\n")
    ) == [
        "policy.toml:6: ladder[0].limit: 'usd-dya'; expected the name of a limit; did you mean 'usd-day'?",
        "policy.toml:7: ladder[0].hysteresis: -1; expected whole percentage points from 0 to 100",
        "policy.toml:9: ladder[0].steps[0].at: 0; expected a whole percentage from 1 to 1,000",
        "policy.toml:9: ladder[0].steps[0].do: 'cheapr'; expected 'cheaper'",
        "policy.toml:10: ladder[0].steps[1].at: missing; expected the percentage from which on it holds",
        "policy.toml:10: ladder[0].steps[1].priority: ['critical']; expected other priorities: critical calls are"
        " never shed",
        "policy.toml:11: ladder[0].steps[2].tokens: 3; expected a known field; one of at, do, limit",
        'policy.toml:11: ladder[0].steps[2].limit: missing; expected one more limit, such as "10 requests / minute"',
        "policy.toml:12: ladder[0].steps[3].models: {}; expected the models to ask instead, such as"
        ' { "gpt-4o" = "gpt-4o-mini" }',
        "policy.toml:15: ladder[1].limit: 'usd-per-request'; expected a limit that fills, and not one of each request"
        " by itself",
        "policy.toml:16: ladder[1].steps: 'emergency'; expected a table [emergency] that says what is done then",
        "policy.toml:16: ladder[1].steps.a: 'groqq:b'; expected the name of an endpoint before the colon; did you"
        " mean 'groq:b'?",
        "policy.toml:17: ladder[2].limit: missing; expected the name of the limit that drives it",
        "policy.toml:17: ladder[2].steps: missing; expected steps, such as"
        ' [{ at = 80, do = "cheaper", models = { … } }]',
        "policy.toml:20: endpoint[0].base_url: 'groq.com'; expected a URL such as https://api.groq.com/openai/v1,"
        " without a user or a query",
        "policy.toml:24: endpoint[1].api_key_env: 'sk-abc'; expected the name of an environment variable, not the key"
        " itself",
        "policy.toml:26: endpoint[2].name: 'groq'; expected another name than that of another endpoint",
        "policy.toml:28: fallback[0].to: missing; expected the models to ask instead, in this order, such as"
        ' ["gpt-4o-mini"]',
        "policy.toml:29: fallback[0].on: ['6xx']; expected '5xx'",
    ]


def test_two_ladders_of_one_limit_are_a_mistake() -> None:
    ladder = '[[ladder]]\nlimit = "usd-day-per-tenant"\nsteps = [{ at = 50, do = "alert" }]\n'
    (mistake,) = mistakes_of(LIMIT + ladder * 2)
    assert mistake.endswith("expected one ladder for each limit: put the steps into one")


def test_priorities_are_those_that_can_be_shed() -> None:
    assert SHEDDABLE == ("high", "normal", "low")
