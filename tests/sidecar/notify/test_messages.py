"""What people read: the facts, in our words or in a template's, and never nothing. Templates can do no harm."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sidecar.notify.given import channel, notification
from tollkeeper.model.finding import FINDING_KINDS
from tollkeeper.sidecar.notify.contract import Message
from tollkeeper.sidecar.notify.messages import DEFAULT_BODY, DEFAULT_TITLE, FILTERS, check_templates, message_of
from tollkeeper.sidecar.notify.names import NAMES, amount_shown, clean, names_of

ENDS = 1_790_000_600_000_000_000


def message(event: Any = "fired", title: str | None = None, body: str | None = None, **finding: Any) -> Message:
    told = notification(event, **finding)
    return message_of(told, channel(url="env:ANY", title=title, body=body))


def test_it_says_what_somebody_needs_to_know() -> None:
    facts = {**notification().alert.finding.facts, "link": "https://tollkeeper.example/limits/example"}
    assert message(facts=facts) == Message(
        "Warning: example at 85 % for tenant acme",
        """\
Limit example ($10 / day per tenant) for tenant acme is at 85 %.

Used: $8.50 of $10.00
Of that, held by calls under way: $0.20
Period: from 2026-09-21 00:00 UTC to 2026-09-22 00:00 UTC
Pace: 1.7 times what would last for the period
Forecast for the end of the period: $17.00
Calls beyond it are denied.

Most of it by:
- model gpt-4o: $6.12 (72 %)
- model gpt-4o-mini: $2.38 (28 %)

https://tollkeeper.example/limits/example""",
        "warning",
        "https://tollkeeper.example/limits/example",
    )


def test_it_says_that_something_is_over() -> None:
    over = message("resolved")
    assert over.title == "Over: example for tenant acme"
    assert over.body.startswith(
        "Limit example ($10 / day per tenant) for tenant acme was taken away or renamed, or is not used"
    )
    assert "It began at 2026-09-21 14:12 UTC, and was over at 2026-09-21 14:13 UTC." in over.body
    assert "Pace" not in over.body
    assert "Forecast" not in over.body


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("period", "acme: its period is over.\n\nLast seen: $8.50 of $10.00\n"),
        ("fallen", "acme has come down to 85 %.\n\nUsed: $8.50 of $10.00\n"),
        ("changed", "acme was changed, and is not at a threshold now.\n\nUsed: $8.50 of $10.00\n"),
    ],
)
def test_it_says_why_something_is_over(why: str, said: str) -> None:
    facts = {**notification().alert.finding.facts, "over": why}
    assert said in message("resolved", facts=facts).body


def test_calls_that_do_not_say_whose_they_are_are_nobodys() -> None:
    assert message("resolved", scope={"tenant": ""}).title == "Over: example for tenant (none)"


def test_it_says_that_something_goes_on() -> None:
    assert message("repeated").title == "Still warning: example at 85 % for tenant acme"
    assert message("worsened", severity="critical").title == "Critical: example at 85 % for tenant acme"
    told = notification("repeated")
    told = told._replace(alert=told.alert._replace(acknowledged_by="Ada"))
    assert "Taken on by Ada." in message_of(told, channel(url="env:ANY")).body


@pytest.mark.parametrize("kind", FINDING_KINDS)
@pytest.mark.parametrize("event", ["fired", "resolved"])
def test_each_kind_is_told_without_any_fact(kind: Any, event: Any) -> None:
    said = message(event, kind=kind, subject="gpt-9", scope={}, facts={}, period_start=0, period_end=0)
    assert said.title.startswith("Over: " if event == "resolved" else "Warning: ")
    assert len(said.body.splitlines()[0]) > 10
    assert "None" not in said.title + said.body
    assert "cannot be used" not in said.body
    assert kind in ("emergency", "stale_prices") or "gpt-9" in said.body
    assert kind != "limit" or "Used: unknown of unknown" in said.body or "Last seen: unknown of unknown" in said.body


def test_the_names_are_all_there_are() -> None:
    assert list(names_of(notification())) == list(NAMES)
    every = "".join(f"{{{{ {name} }}}}" for name in NAMES)
    assert "cannot be used" not in message(body=every).body


def test_our_templates_are_such_as_anybody_may_write() -> None:
    assert message(title=DEFAULT_TITLE, body=DEFAULT_BODY) == message()
    assert check_templates(channel(url="env:ANY", title=DEFAULT_TITLE, body=DEFAULT_BODY)) == []


def test_a_template_says_it_in_its_own_words() -> None:
    said = message(
        title="[{{ severity|upper }}]\n{{ limit }}",
        body="{{ scope.tenant }}: {{ used }} of {{ amount }}{% if percent > 80 %}!{% endif %}"
        "{% for each in contributors %} {{ loop.index }}. {{ each.value }}{% endfor %}",
    )
    assert (said.title, said.body) == ("[WARNING] example", "acme: $8.50 of $10.00! 1. gpt-4o 2. gpt-4o-mini")


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{ used", "line 1: unexpected end of template"),
        ("{{ misspelt }}", "'misspelt' is undefined"),
        ("{{ facts.misspelt }}", "'dict object' has no attribute 'misspelt'"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{{ used|shout }}", "line 1: there is no filter 'shout'"),
    ],
)
def test_a_broken_template_gives_way_to_ours(template: str, why: str) -> None:
    for title, body in ((template, None), (None, template)):
        said = message(title=title, body=body)
        assert said.title == message().title
        what = "title" if title else "body"
        assert said.body.startswith(message().body)
        assert f"(The {what} template of channel team cannot be used: " in said.body
        assert why in said.body


ESCAPES = [
    "{{ ''.__class__.__mro__ }}",
    "{{ facts.__class__ }}",
    "{{ facts['__class__'] }}",
    "{{ ''|attr('__class__') }}",
    "{{ self._TemplateReference__context }}",
    "{{ self.__init__.__globals__ }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ lipsum.__globals__ }}",
    "{{ config }}",
    "{{ id.format.__self__ }}",
    "{{ id.format }}",
    "{{ '{0.__class__}'.format(1) }}",
    "{% import 'os' as os %}",
    "{% include '/etc/passwd' %}",
    "{% extends 'x' %}",
    "{% set x = 1 %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{{ 'a' * 1000000000 }}",
    "{{ 9 ** 999999999 }}",
    "{{ '%1000000000s' % 1 }}",
    "{{ 'a'.ljust(1000000000) }}",
    "{{ 'a'|center(1000000000) }}",
    "{% for a in range(1000000000) %}x{% endfor %}",
    "{% for a in id %}{% for b in id %}x{% endfor %}{% endfor %}",
    "{% for a in facts recursive %}{{ loop(facts) }}{% endfor %}",
    "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
    "{{ " + "not " * 2400 + "1 }}",
]


@pytest.mark.parametrize("template", ESCAPES, ids=lambda template: template[:40])
def test_a_template_cannot_get_out(template: str) -> None:
    before = time.process_time()
    said = message(title=template, body=template)
    assert said.title == message().title
    assert said.body.startswith(message().body)
    assert said.body.count("cannot be used: ") == 2
    for leak in ("root:", "<class", "uid=", "<module", "<function", " at 0x"):
        assert leak not in said.body
    assert time.process_time() - before < 5, "a template cannot keep everybody waiting"


def test_what_a_template_makes_has_an_end() -> None:
    said = message(title="x" * 9999, body="{% for each in facts.form %}" + "y" * 9000 + "{% endfor %}")
    assert (len(said.title), len(said.body)) == (250, 20_000)
    assert said.body.endswith("…")


def test_the_filters_are_there() -> None:
    for name in FILTERS:
        assert "there is no filter" not in message(body=f"{{{{ facts|{name} }}}}").body


@settings(max_examples=50)
@given(st.text(max_size=600), st.text(max_size=600))
@example("{{ 7*7 }}{% raw %}", "{# x #}")
@example("a\r\nBcc: b@example.com", "\u202eevil\u2066\x00\x1b[31m")
@example("@everyone <@U1> <!here>", "日本語 עברית ไทย 🙂‍👩")
def test_a_name_is_shown_as_it_is_and_does_nothing(tenant: str, subject: str) -> None:
    said = message(subject=subject, scope={"tenant": tenant})
    assert said.title.isprintable() or "\u200b" in said.title or set(said.title) & set(tenant + subject)
    assert not set(said.title) & set("\r\n\x00\x1b\u202e\u2066")
    assert clean(tenant).strip() in said.body
    assert "cannot be used" not in said.body.replace(tenant, "").replace(subject, "")
    assert said.title.encode()


@pytest.mark.parametrize(
    ("measure", "number", "shown"),
    [
        ("usd", 0, "$0.00"),
        ("usd", 1, "$0.000000001"),
        ("usd", 12_345, "$0.00001234"),
        ("usd", 500_000_000, "$0.50"),
        ("usd", 999_999_999, "$1.00"),
        ("usd", 1_005_000_000, "$1.00"),
        ("usd", 1_234_567_890_123, "$1,234.57"),
        ("tokens", 90_000, "90,000 tokens"),
        ("requests", 1, "1 request"),
        ("concurrency", 3, "3 concurrent calls"),
        ("usd", None, None),
        ("nonsense", 3, None),
        (None, 3, None),
    ],
)
def test_amounts_are_shown_as_people_write_them(measure: Any, number: Any, shown: str | None) -> None:
    assert amount_shown(measure, number) == shown
