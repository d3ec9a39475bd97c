"""Which limits a scope comes under, whose usage a counter's key names, and the quotas of configurations."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.model import Limit, Match, Window
from tollkeeper.model.limit import PER
from tollkeeper.policy import Policy
from tollkeeper.policy.binding import Binder
from tollkeeper.policy.document import policy_document, read_json
from tollkeeper.policy.quota import configs_of, name_of_quota, quota_limit, quota_of, with_limit
from tollkeeper.policy.scope import Usage, binds_all, literal, may_bind, usage_of

DAY = Window("day")
TEXTS = st.text(max_size=60)


@given(st.text("ab *?[]!-", max_size=8), st.text("ab *?[]!-", max_size=8))
def test_a_literal_glob_is_met_by_that_text_only(value: str, other: str) -> None:
    match = Match(tags={"config": (literal(value),)})
    assert match.of("", "", "", {"config": value})
    assert match.of("", "", "", {"config": other}) == (value == other)


@given(
    st.lists(TEXTS, min_size=len(PER), max_size=len(PER)), st.sampled_from([None, DAY, Window("hour", rolling=True)])
)
def test_a_key_names_the_usage_that_it_was_made_of(values: list[str], window: Window | None) -> None:
    limit = Limit("a limit-1.x", "requests" if window else "concurrency", 1, window, per=PER)
    (binding,) = Binder((limit,)).of_scope(dict(zip(PER, values, strict=True)))
    assert usage_of(binding.charge(1, 10**18).key) == Usage("a limit-1.x", tuple(values))


def test_keys_of_others() -> None:
    assert usage_of("emergency") is None
    assert usage_of("x [") is None


def test_what_is_not_said_speaks_against_nothing() -> None:
    limit = Limit("a", "requests", 1, DAY, Match(("openai",), tags={"tenant": ("a*",)}), exempt=(Match(("x",)),))
    assert may_bind(limit, {}) and not binds_all(limit, {})
    assert not may_bind(limit, {"tenant": "b"})
    assert binds_all(limit, {"tenant": "acme", "provider": "openai"})
    free = Limit("b", "requests", 1, DAY, exempt=(Match(("ollama",), ("llama*",)),))
    assert binds_all(free, {}) and may_bind(free, {"provider": "ollama"})
    assert not may_bind(free, {"provider": "ollama", "model": "llama3"})


@given(TEXTS.filter(lambda text: text.isprintable() and text.strip()))
def test_a_quota_of_any_configuration_can_be_written_down(config: str) -> None:
    limit = quota_limit(config, 1000, 80)
    policy = with_limit(Policy("p"), limit)
    assert read_json(json.dumps(policy_document(policy)), "p") == policy
    assert quota_of(policy, config) == limit
    assert configs_of(policy) == [config]


def test_names_of_quotas() -> None:
    assert name_of_quota("openai-prod") == "quota openai-prod"
    odd, other = name_of_quota("a/b"), name_of_quota("a?b")
    assert odd != other and odd.startswith("quota a-b ")
    assert name_of_quota("///").startswith("quota ")


def test_a_quota_in_place_of_another() -> None:
    general = Limit("each", "tokens", 500, Window("month"), per=("config",))
    policy = with_limit(with_limit(Policy("p", (general,)), quota_limit("a", 100, 80)), quota_limit("b", 900, 80))
    policy = with_limit(policy, quota_limit("a", 200, 90, "soft"))
    assert [(limit.name, limit.amount) for limit in policy.limits] == [
        ("each", 500),
        ("quota a", 200),
        ("quota b", 900),
    ]
    assert [getattr(quota_of(policy, config), "amount", None) for config in ("a", "b", "c")] == [200, 900, 500]
    assert configs_of(policy) == ["a", "b"]
    assert quota_of(Policy(), "a") is None
