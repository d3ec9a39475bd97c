"""What all dashboards have alike: variables, links, annotations, and how panels are laid out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard, prometheus
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from tollkeeper.grafana.panels import DATASOURCE, Panel
from tollkeeper.grafana.series import WINDOW, label, name, once
from tollkeeper.telemetry import metrics
from tollkeeper.telemetry import sidecar_metrics as sidecar
from tollkeeper.telemetry.attributes import PROVIDER, REQUEST_MODEL, RESPONSE_MODEL

TAG = "tollkeeper"
SCHEMA_VERSION = 39
"""Of the classic model, which older Grafana servers import too."""
COLUMNS = 24
ROW_HEIGHT = 1
ALL = ".*"

CALLS = f'{{__name__=~"{sidecar.LEDGER_CALLS}|{name(metrics.CALLS)}"'
"""The calls of the ledger, and of apps: the values to choose from are in either."""


@dataclass(frozen=True)
class Section:
    """Panels under a heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Board:
    """A dashboard."""

    name: str
    title: str
    description: str
    sections: tuple[Section, ...]

    @property
    def uid(self) -> str:
        return f"{TAG}-{self.name}"

    def render(self) -> str:
        """Grafana's JSON: the same for the same panels, to the byte."""
        builder = dashboard.Dashboard(f"Tollkeeper / {self.title}").uid(self.uid).description(self.description)
        builder.tags([TAG]).readonly().tooltip(model.DashboardCursorSync.CROSSHAIR)
        builder.time("now-6h", "now").refresh("30s").timezone("browser").week_start("")
        builder.variables(_variables()).annotations(_annotations()).links([_links()])
        built = builder.build()
        built.panels = list(_laid_out(self.sections))
        built.schema_version, built.version = SCHEMA_VERSION, 1
        return json.dumps(json.loads(JSONEncoder().encode(built)), indent=2, sort_keys=True) + "\n"


def _laid_out(sections: Sequence[Section]) -> Iterator[model.Panel | model.RowPanel]:
    """From left to right, and below when there is no more room."""
    y, number = 0, 0
    for section in sections:
        number += 1
        place = model.GridPos(h=ROW_HEIGHT, w=COLUMNS, x=0, y=y)
        yield dashboard.Row(section.title).id(number).grid_pos(place).collapsed(False).build()
        y, x, tallest = y + ROW_HEIGHT, 0, 0
        for panel in section.panels:
            number += 1
            if x + panel.width > COLUMNS:
                y, x, tallest = y + tallest, 0, 0
            place = model.GridPos(h=panel.height, w=panel.width, x=x, y=y)
            yield panel.builder.id(number).grid_pos(place).build()
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest


def _variables() -> list[Builder[model.VariableModel]]:
    source = dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
    chosen = 'service=~"$service"'
    of_ledger = f'{sidecar.LEDGER_CALLS}{{{chosen},provider=~"$provider"}}'
    of_apps = f'{name(metrics.CALLS)}{{{chosen},{label(PROVIDER)}=~"$provider"}}'
    providers = _with_label(f"{name(metrics.CALLS)}{{{chosen}}}", "provider", PROVIDER)
    models = _with_label(_with_label(of_apps, "model", REQUEST_MODEL), "model", RESPONSE_MODEL)
    return [
        source,
        _variable("service", "Service", f"label_values({CALLS}}}, service)"),
        _variable(
            "provider", "Provider",
            f"query_result(group by (provider) ({sidecar.LEDGER_CALLS}{{{chosen}}} or {providers}))",
            '/provider="([^"]+)"/',
        ),
        # A dated snapshot of a model is the model.
        _variable(
            "model", "Model",
            f"query_result(group by (model) ({of_ledger} or {models}))",
            '/model="([^"]+?)(?:-20[0-9-]+)?"/',
        ),
        _variable("tenant", "Tenant", f"label_values({CALLS},{chosen}}}, tenant)"),
    ]  # fmt: skip


def _with_label(expression: str, wanted: str, attribute: str) -> str:
    return f'label_replace({expression}, "{wanted}", "$1", "{label(attribute)}", "(.+)")'


def _variable(variable: str, title: str, query: str, pattern: str = "") -> dashboard.QueryVariable:
    builder = dashboard.QueryVariable(variable).label(title).datasource(DATASOURCE).definition(query)
    builder.query({"query": query, "refId": f"variable-{variable}"}).regex(pattern)
    builder.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(model.VariableSort.ALPHABETICAL_ASC)
    builder.multi(True).include_all(True).all_value(ALL)
    return builder.current(model.VariableOption(text="All", value="$__all", selected=True))


def _annotations() -> list[Builder[model.AnnotationQuery]]:
    changed = once(f"changes({sidecar.PRICES_INSTALLED}[{WINDOW}])")
    versions = f"count by (version) ({sidecar.BUILD_INFO})"
    before = f"count by (version) ({sidecar.BUILD_INFO} offset {WINDOW})"
    return [
        _annotation("Price lists", "purple", f"{changed} > 0", "A new price list", ""),
        _annotation("Alerts", "red", f"{once(sidecar.ALERTS_FIRING)} > 0", "{{severity}}: {{kind}}", "severity,kind"),
        _annotation("Deploys", "blue", f"{versions} unless {before}", "Sidecar {{version}}", "version"),
    ]


def _annotation(title: str, color: str, expr: str, text: str, tags: str) -> dashboard.AnnotationQuery:
    builder = dashboard.AnnotationQuery().name(title).datasource(DATASOURCE).enable(True).icon_color(color)
    target = prometheus.Dataquery().expr(expr).ref_id("Anno").datasource(DATASOURCE).range()
    return builder.target(target).expr(expr).title_format(text).tag_keys(tags)


def _links() -> dashboard.DashboardLink:
    builder = dashboard.DashboardLink("Tollkeeper").type(model.DashboardLinkType.DASHBOARDS).tags([TAG])
    return builder.as_dropdown(True).include_vars(True).keep_time(True).icon("external link")
