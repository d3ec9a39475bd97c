"""The few kinds of panels, each written once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, dashboard, heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import heatmap as heatmap_model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat, QueryEditorMode

DATASOURCE = options.DataSourceRef(type_val="prometheus", uid="${datasource}")

NO_CELL = "–"
"""In place of a value that a row of a table does not have."""

Steps = Sequence[tuple[float, str]]
"""From which value on, which colour; below the first it is green."""

FILLING: Steps = ((0.8, "yellow"), (0.9, "orange"), (1.0, "red"))
"""How a limit fills."""

FAILING: Steps = ((0.02, "yellow"), (0.05, "red"))
"""Which share of the calls fails."""


@dataclass(frozen=True)
class Query:
    """One expression. `legend` names its series; `exemplar` asks for the traces behind it as well."""

    expr: str
    legend: str = ""
    exemplar: bool = False


@dataclass(frozen=True)
class Column:
    """One figure of a table."""

    title: str
    expr: str
    unit: str
    decimals: int | None = None
    steps: Steps = ()


@dataclass(frozen=True)
class Style:
    """How a series is drawn, unlike the others: by its name, or by a regular expression between slashes."""

    series: str
    dashed: bool = False
    color: str = ""
    below_to: str = ""
    """The name of the series down to which the area is filled: a band."""
    is_edge: bool = False
    """The lower edge of a band."""


@dataclass(frozen=True)
class Panel:
    """A panel that has no place yet."""

    builder: Any
    width: int
    height: int


def figure(
    title: str,
    description: str,
    expr: str,
    unit: str,
    *,
    decimals: int | None = None,
    steps: Steps = (),
    over_time: bool = True,
    nothing: str = "no data",
    width: int = 6,
    texts: Sequence[tuple[str, str, str]] = (),
) -> Panel:
    """One number. `over_time`: with its course behind it; else only as it is at the end of the range.

    `texts` are words in place of values: value, word, colour.
    """
    builder: Any = stat.Panel()
    _describe(builder, title, description, unit, decimals, nothing)
    builder.targets([_query(Query(expr), "A", instant=not over_time)])
    builder.color_mode(options.BigValueColorMode.VALUE)
    builder.graph_mode(options.BigValueGraphMode.AREA if over_time else options.BigValueGraphMode.NONE)
    builder.text_mode(options.BigValueTextMode.VALUE).reduce_options(_last())
    _color(builder, steps)
    if texts:
        mapped = {
            value: model.ValueMappingResult(text=word, color=color, index=index)
            for index, (value, word, color) in enumerate(texts)
        }
        builder.mappings([model.ValueMap(options=mapped)])
    return Panel(builder, width, 4)


def chart(
    title: str,
    description: str,
    queries: Sequence[Query],
    unit: str,
    *,
    stacked: bool = False,
    decimals: int | None = None,
    least: float | None = 0,
    at_least_to: float | None = None,
    styles: Sequence[Style] = (),
    steps: Steps = (),
    nothing: str = "no data",
    width: int = 12,
    height: int = 9,
) -> Panel:
    """Lines over time. `steps` are drawn as lines too. The axis goes `at_least_to` a value, where all is mostly 0."""
    builder: Any = timeseries.Panel()
    _describe(builder, title, description, unit, decimals, nothing)
    builder.targets([_query(query, chr(65 + number)) for number, query in enumerate(queries)])
    legend = common.VizLegendOptions().display_mode(options.LegendDisplayMode.TABLE).show_legend(True)
    legend.placement(options.LegendPlacement.BOTTOM).calcs(["mean", "max", "lastNotNull"])
    legend.sort_by("Mean").sort_desc(True)
    builder.legend(legend)
    builder.tooltip(
        common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI).sort(options.SortOrder.DESCENDING)
    )
    builder.color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC))
    builder.draw_style(options.GraphDrawStyle.LINE).line_width(1 if stacked else 2)
    builder.fill_opacity(30 if stacked else 6).show_points(options.VisibilityMode.NEVER)
    mode = options.StackingMode.NORMAL if stacked else options.StackingMode.NONE
    builder.stacking(common.StackingConfig().mode(mode).group("A"))
    if steps:
        builder.thresholds(_thresholds(steps))
        builder.thresholds_style(common.GraphThresholdsStyleConfig().mode(options.GraphThresholdsStyleMode.DASHED))
    if least is not None:
        builder.min(least)
    if at_least_to is not None:
        builder.axis_soft_max(at_least_to)
    for style in styles:
        override = builder.override_by_regexp if style.series.startswith("/") else builder.override_by_name
        override(style.series, _drawn(style))
    return Panel(builder, width, height)


def bars(
    title: str,
    description: str,
    queries: Sequence[Query],
    unit: str,
    *,
    decimals: int | None = None,
    most: float | None = None,
    steps: Steps = (),
    nothing: str = "no data",
    names_above: bool = False,
    width: int = 8,
    height: int = 9,
) -> Panel:
    """One bar a series, as it is at the end of the range. `names_above`: where they are long."""
    builder: Any = bargauge.Panel()
    _describe(builder, title, description, unit, decimals, nothing)
    builder.targets([_query(query, chr(65 + number), instant=True) for number, query in enumerate(queries)])
    builder.display_mode(options.BarGaugeDisplayMode.BASIC).orientation(options.VizOrientation.HORIZONTAL)
    builder.show_unfilled(True).value_mode(options.BarGaugeValueMode.TEXT).reduce_options(_last())
    placement = options.BarGaugeNamePlacement.TOP if names_above else options.BarGaugeNamePlacement.AUTO
    builder.name_placement(placement)
    builder.min(0)
    if most is not None:
        builder.max(most)
    _color(builder, steps)
    return Panel(builder, width, height)


def rows(
    title: str,
    description: str,
    labels: Sequence[tuple[str, str]],
    columns: Sequence[Column],
    *,
    sort_by: str = "",
    width: int = 12,
    height: int = 8,
) -> Panel:
    """A table: a row for each set of `labels` (label, title), and `columns` of figures that have just these labels."""
    builder: Any = table.Panel()
    _describe(builder, title, description, columns[0].unit, None, NO_CELL)
    refs = [chr(65 + number) for number in range(len(columns))]
    builder.targets(
        [_query(Query(one.expr), ref, instant=True, table=True) for ref, one in zip(refs, columns, strict=True)]
    )
    value_names = [f"Value #{ref}" for ref in refs] if len(columns) > 1 else ["Value"]
    order = [*[name for name, _ in labels], *value_names]
    titles = dict([*labels, *zip(value_names, [one.title for one in columns], strict=True)])
    tidy = {
        "excludeByName": {"Time": True},
        "indexByName": {name: index for index, name in enumerate(order)},
        "renameByName": titles,
    }
    if len(columns) > 1:
        builder.with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
    builder.with_transformation(model.DataTransformerConfig(id_val="organize", options=tidy))
    for one in columns:
        builder.override_by_name(one.title, _column(one))
    builder.sort_by([common.TableSortByFieldState().display_name(sort_by or columns[0].title).desc(True)])
    builder.show_header(True)
    return Panel(builder, width, height)


def heat(title: str, description: str, expr: str, unit: str, *, width: int = 12, height: int = 9) -> Panel:
    """How a histogram's records are spread over time. `expr` gives its buckets by `le`."""
    builder: Any = heatmap.Panel()
    _describe(builder, title, description, unit, None, "no data")
    target = _query(Query(expr, "{{le}}"), "A")
    target.format(PromQueryFormat.HEATMAP)
    builder.targets([target]).calculate(False)
    builder.y_axis(heatmap.YAxisConfig().unit(unit))
    color = heatmap.HeatmapColorOptions().mode(heatmap_model.HeatmapColorMode.SCHEME).scheme("Oranges").steps(64)
    color.exponent(0.5).fill("dark-orange").reverse(False)
    builder.color(color).cell_gap(1).show_value(options.VisibilityMode.NEVER).hide_legend()
    builder.tooltip(heatmap.HeatmapTooltip().mode(options.TooltipDisplayMode.SINGLE).y_histogram(True))
    builder.exemplars_color("rgba(255,0,255,0.7)")
    return Panel(builder, width, height)


def _describe(builder: Any, title: str, description: str, unit: str, decimals: int | None, nothing: str) -> None:
    builder.title(title).description(description).datasource(DATASOURCE).unit(unit).no_value(nothing)
    if decimals is not None:
        builder.decimals(decimals)


def _query(query: Query, ref: str, *, instant: bool = False, table: bool = False) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expr).ref_id(ref).datasource(DATASOURCE)
    target.editor_mode(QueryEditorMode.CODE).legend_format(query.legend or "__auto")
    if instant:
        target.instant()
    else:
        target.range()
    if table:
        target.format(PromQueryFormat.TABLE)
    if query.exemplar:
        target.exemplar(True)
    return target


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False)


def _thresholds(steps: Steps, below: str = "green") -> dashboard.ThresholdsConfig:
    found = [model.Threshold(value=None, color=below), *[model.Threshold(value=at, color=color) for at, color in steps]]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(found)


def _color(builder: Any, steps: Steps) -> None:
    """By value, where it matters; else one quiet colour."""
    builder.thresholds(_thresholds(steps, "green" if steps else "blue"))
    builder.color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))


def _drawn(style: Style) -> list[model.DynamicConfigValue]:
    found: list[tuple[str, object]] = []
    if style.color:
        found.append(("color", {"mode": "fixed", "fixedColor": style.color}))
    if style.dashed:
        found += [("custom.lineStyle", {"fill": "dash", "dash": [8, 6]}), ("custom.fillOpacity", 0)]
    if style.is_edge:
        found += [("custom.lineWidth", 1), ("custom.fillOpacity", 0)]
    if style.below_to:
        found += [("custom.fillBelowTo", style.below_to), ("custom.lineWidth", 1), ("custom.fillOpacity", 20)]
    return [model.DynamicConfigValue(id_val=name, value=value) for name, value in found]


def _column(one: Column) -> list[model.DynamicConfigValue]:
    found: list[tuple[str, object]] = [("unit", one.unit)]
    if one.decimals is not None:
        found.append(("decimals", one.decimals))
    if one.steps:
        steps = [{"color": "green", "value": None}, *[{"color": color, "value": at} for at, color in one.steps]]
        found += [
            ("thresholds", {"mode": "absolute", "steps": steps}),
            ("color", {"mode": "thresholds"}),
            ("custom.cellOptions", {"type": "color-text"}),
        ]
    return [model.DynamicConfigValue(id_val=name, value=value) for name, value in found]
