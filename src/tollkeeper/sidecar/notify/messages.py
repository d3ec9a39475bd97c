"""The message of a notification: by the channel's own templates, or by ours. It is never lost by a broken template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, Undefined, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tollkeeper.alerting.channel import Channel
from tollkeeper.model.alert import Notification
from tollkeeper.sidecar.notify.contract import Message
from tollkeeper.sidecar.notify.names import clean, names_of

DEFAULT_TITLE: Final = """\
{% if resolved %}Over:{% elif event == "repeated" %}Still {{ severity }}:{% else %}{{ severity|capitalize }}:{% endif %}
{% if kind == "limit" %}
 {{ limit }}{% if facts.denied|default(0) and not resolved %} denies calls,{% endif %}
{% if percent is not none and not resolved %} at {{ percent }} %{% endif %}
{% if who %} for {{ who }}{% endif %}
{% elif kind == "forecast" %} {{ limit }}{% if not resolved %} will not last{% endif %}
{% if who %} for {{ who }}{% endif %}
{% elif kind == "emergency" %} emergency mode
{% elif kind == "anomaly" %}
 {{ facts.title|default(subject, true) if not resolved else subject }}
{% if resolved and who %} for {{ who }}{% endif %}
{% elif kind == "error_budget" %} {{ subject }} fails more calls than it may
{% elif kind == "reconciliation" %}
{% if resolved %} the bill of {{ subject }}{% else %} {{ facts.title|default(subject, true) }}{% endif %}
{% elif kind == "unpriced_model" %} {{ subject }} has no price
{% elif kind == "stale_prices" %} prices are out of date
{% elif kind == "rule" %} {{ facts.summary|default(subject, true) }}
{% else %} counters of {{ subject }} disagree with the ledger{% endif %}
"""

DEFAULT_BODY: Final = """\
{% if kind == "limit" %}
Limit {{ limit }}{% if form %} ({{ form }}){% endif %}{% if who %} for {{ who }}{% endif %}
{% if not resolved %}
{% if percent is not none %} is at {{ percent }} %{% endif %}
{% elif facts.over|default("") == "period" %}: its period is over
{%- elif facts.over|default("") == "fallen" %} has come down{% if percent is not none %} to {{ percent }} %{% endif %}
{% elif facts.over|default("") == "changed" %} was changed, and is not at a threshold now
{%- else %} was taken away or renamed, or is not used any more{% endif %}.

{{ "Last seen" if resolved and facts.over|default("") not in ("fallen", "changed") else "Used" }}:
{{- " " }}{{ used|default("unknown", true) }} of {{ amount|default("unknown", true) }}
{% if held %}
Of that, held by calls under way: {{ held }}
{% endif %}
{% if period_end %}
Period: from {{ period_start }} to {{ period_end }}
{% endif %}
{% if not resolved %}
{% if pace is not none %}
Pace: {{ pace }} times what would last for the period
{% endif %}
{% if forecast %}
Forecast for the end of the period: {{ forecast }}
{% endif %}
{% if facts.denied|default(0) %}
Calls are being denied, as they do not fit into what is left: {{ facts.denied }} up to now.
{% elif mode == "hard" %}
Calls beyond it are denied.
{% elif mode == "soft" %}
It only tells: no call is denied.
{% endif %}
{% if facts.others|default(0) %}
It stands for {{ facts.others }} that are at a threshold, and too many to be told of each; this is the worst of them.
{% endif %}
{% endif %}
{% if contributors %}

Most of it by:
{% for each in contributors %}
- {{ each.dimension }} {{ each.value }}: {{ each.amount }}
{%- if each.share is not none %} ({{ each.share }} %){% endif %}

{% endfor %}
{% endif %}
{% elif kind == "forecast" %}
Limit {{ limit }}{% if who %} for {{ who }}{% endif %}
{% if resolved %} is not expected to be used up any more, or is, or its period is over.
{% else %} is expected to be used up before its period ends ({{ probability }} % probable).

{% endif %}
Used: {{ used|default("unknown", true) }} of {{ amount|default("unknown", true) }}
{% if not resolved %}
Forecast for the end of the period: {{ forecast }}
{%- if forecast_low %} (80 of 100 times between {{ forecast_low }} and {{ forecast_high }}){% endif %}

{% if exhausted %}
Used up: about {{ exhausted }}
{%- if exhausted_early %}, at the earliest {{ exhausted_early }}{% endif %}
{%- if exhausted_late %}, at the latest {{ exhausted_late }}{% endif %}

{% endif %}
{% endif %}
{% if period_end %}
Period: from {{ period_start }} to {{ period_end }}
{% endif %}
{% elif kind == "emergency" %}
{% if resolved %}
Emergency mode has ended.
{% else %}
Emergency mode holds: calls go as the policy says for it, until a person ends it.
{% endif %}
{% elif kind == "anomaly" %}
{% if resolved %}
What was unusual is over: {{ subject }}{% if who %} for {{ who }}{% endif %}.

Last seen:
{% else %}
Unusual: {{ facts.title|default(subject, true) }}.

{% endif %}
{% for line in facts.lines|default([]) %}
{{ line }}
{% endfor %}
{% if facts.response|default("", true) == "emergency" %}
It has begun an emergency, as the policy says: a person ends it.
{% elif facts.response|default("", true) == "steps" %}
Its calls go by steps of a ladder until it is over, as the policy says.
{% endif %}
{% if top %}

Most of the excess:
{% for each in top %}
- {{ each }}
{% endfor %}
{% endif %}
{% elif kind == "error_budget" %}
{% if resolved %}
{{ subject }} does not use its error budget up too fast any more.

Last seen:
{% else %}
{{ subject }} fails so many calls that its error budget will not last.

{% endif %}
{% for line in facts.lines|default([]) %}
{{ line }}
{% endfor %}
{% elif kind == "reconciliation" %}
{% if resolved %}
The ledger agrees with what {{ subject }} bills again.

Last seen:
{% else %}
The ledger and the bill of {{ subject }} do not agree
{%- if facts.title|default("", true) %}: {{ facts.title }}{% endif %}.

{% endif %}
{% for line in facts.lines|default([]) %}
{{ line }}
{% endfor %}
{% elif kind == "unpriced_model" %}
{% if resolved %}
No call of the last day to the model {{ subject }} lacks a price.
{% else %}
The model {{ subject }} has no price: what its calls cost is not known, and in no sum.
{% endif %}
{% elif kind == "stale_prices" %}
{% if resolved %}
The price catalogue is up to date again.
{% else %}
The price catalogue has not been updated for long: newer models and prices are not known.
{% endif %}
{% elif kind == "rule" %}
{{ facts.description|default("", true) }}

Alert {{ subject }}{% if who %} for {{ who }}{% endif %}{% if resolved %} is over{% endif %}.
{% else %}
{% if resolved %}
The counters of {{ subject }} agree with the ledger again.
{% else %}
The counters of {{ subject }}{% if who %} for {{ who }}{% endif %} disagree with what the ledger has.
{% endif %}
{% endif %}
{% if acknowledged_by %}
Taken on by {{ acknowledged_by }}.
{% endif %}
{% if resolved %}

It began at {{ began_at }}, and was over at {{ ended_at }}.
{% endif %}
{% if link %}

{{ link }}
{% endif %}
"""

FILTERS: Final = (
    "abs", "capitalize", "d", "default", "dictsort", "first", "float", "int", "items", "last", "length", "lower",
    "round", "string", "title", "trim", "truncate", "upper",
)  # fmt: skip
"""None of them makes much out of little."""

LONGEST_TITLE: Final = 250
LONGEST_BODY: Final = 20_000

_NODES: Final = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem,
    nodes.If, nodes.For, nodes.CondExpr, nodes.Filter, nodes.Keyword, nodes.Test, nodes.Compare, nodes.Operand,
    nodes.And, nodes.Or, nodes.Not, nodes.Add, nodes.Sub, nodes.Div, nodes.Neg, nodes.Concat, nodes.Tuple, nodes.List,
)  # fmt: skip


class _Unusable(TemplateError):
    """A template that asks for more than templates may do."""


def message_of(notification: Notification, channel: Channel) -> Message:
    """What a channel is told. A template that cannot be used gives way to ours, with a note in the text why."""
    facts = notification.alert.finding.facts
    if notification.alert.finding.kind == "digest":
        return Message(title_of(notification), facts["body"], "info", facts.get("link"))
    names = names_of(notification)
    notes = []

    def said(what: str, own: str | None, ours: str, longest: int) -> str:
        if own is not None:
            try:
                return _rendered(own, names, longest)
            except Exception as error:  # noqa: BLE001  whatever a template does wrong, the message is told
                notes.append(f"(The {what} template of channel {channel.name} cannot be used: {_why(error)})")
        return _rendered(ours, names, longest)

    title = _line(said("title", channel.title, DEFAULT_TITLE, LONGEST_TITLE))
    body = said("body", channel.body, DEFAULT_BODY, LONGEST_BODY)
    text = "\n\n".join((body.strip(), *notes))
    return Message(title, text, notification.alert.finding.severity, names["link"])


def title_of(notification: Notification) -> str:
    """One line, in our words."""
    if notification.alert.finding.kind == "digest":
        return str(notification.alert.finding.facts["title"])
    return _line(_rendered(DEFAULT_TITLE, names_of(notification), LONGEST_TITLE))


def body_of(notification: Notification) -> str:
    """The text of the message, in our words."""
    return _rendered(DEFAULT_BODY, names_of(notification), LONGEST_BODY).strip()


def check_templates(channel: Channel) -> list[str]:
    """What is wrong with a channel's templates, as far as it can be told without an alert."""
    found = []
    for what, template in (("title", channel.title), ("body", channel.body)):
        try:
            _compiled(template or "")
        except Exception as error:  # noqa: BLE001  as deep as it likes
            found.append(f"{what}: {_why(error)}")
    return found


def _line(text: str) -> str:
    return " ".join(clean(text).split())


def _shown(value: Any) -> Any:
    if callable(value) and not isinstance(value, Undefined):
        raise _Unusable("a function is no text")
    return "" if value is None else value


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True, finalize=_shown
    )
    environment.filters = {name: environment.filters[name] for name in FILTERS}
    environment.globals.clear()
    return environment


ENVIRONMENT: Final = _environment()


@lru_cache(maxsize=256)
def _compiled(template: str) -> Template:
    return ENVIRONMENT.from_string(_parsed(template))


def _parsed(template: str) -> nodes.Template:
    """Templates say and choose and go through a list, and do no more: none can run for long, or make much of little."""
    tree = ENVIRONMENT.parse(template)
    for node in _all(tree):
        if not isinstance(node, _NODES):
            raise _Unusable(f"line {node.lineno}: {type(node).__name__.lower()} is not for templates of messages")
        if isinstance(node, nodes.For) and any(isinstance(inner, nodes.For) for inner in _all(node) if inner != node):
            raise _Unusable(f"line {node.lineno}: a loop within a loop is not for templates of messages")
        if isinstance(node, nodes.Filter) and node.name not in FILTERS:
            raise _Unusable(f"line {node.lineno}: there is no filter {node.name!r}")
    return tree


def _all(node: nodes.Node) -> Iterator[nodes.Node]:
    waiting = [node]
    while waiting:
        each = waiting.pop()
        yield each
        waiting.extend(each.iter_child_nodes())


def _rendered(template: str, names: Mapping[str, Any], longest: int) -> str:
    made, length = [], 0
    for piece in _compiled(template).generate(names):
        made.append(piece)
        length += len(piece)
        if length > longest:
            break
    text = "".join(made)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _why(error: Exception) -> str:
    line = f"line {error.lineno}: " if isinstance(error, TemplateSyntaxError) else ""
    said = f"{line}{error}" if isinstance(error, TemplateError) else type(error).__name__
    return clean(said)[:200]
