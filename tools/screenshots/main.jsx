// Draws a dashboard's JSON with Grafana's own components and the data of a live Prometheus.
// Panels, units, thresholds, overrides, legends and transformations are Grafana's; tables and heatmaps, which
// @grafana/ui does not export, are plain ones with Grafana's values. No annotations, links, or choices of variables.
import React, { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import {
  FieldConfigOptionsRegistry, FieldType, applyFieldOverrides, createTheme, dateTime, formattedValueToString,
  getDisplayValueAlignmentFactors, getFieldDisplayName, getFieldDisplayValues, getValueFormat, identityOverrideProcessor,
  standardFieldConfigEditorRegistry, standardTransformers, standardTransformersRegistry, ThemeContext,
  transformDataFrame,
} from '@grafana/data';
import { BarGauge, BigValue, GlobalStyles, PanelChrome, TimeSeries } from '@grafana/ui';
import { firstValueFrom } from 'rxjs';

const given = window.__GIVEN__;
const { board, prometheus, seconds } = given;
const theme = createTheme({ colors: { mode: given.theme } });
const now = (given.at || Date.now() / 1000) * 1000, from = now - seconds * 1000;
const timeRange = { from: dateTime(from), to: dateTime(now), raw: { from: dateTime(from), to: dateTime(now) } };
const GRID = 38, GAP = 8;
const narrow = innerWidth < 769;

const STANDARD = ['unit', 'decimals', 'min', 'max', 'displayName', 'displayNameFromDS', 'color', 'thresholds', 'mappings',
  'links', 'noValue', 'filterable', 'description'];
const CUSTOM = ['drawStyle', 'lineWidth', 'fillOpacity', 'showPoints', 'stacking', 'lineInterpolation', 'pointSize',
  'spanNulls', 'gradientMode', 'axisPlacement', 'axisLabel', 'axisColorMode', 'axisBorderShow', 'scaleDistribution',
  'hideFrom', 'thresholdsStyle', 'fillBelowTo', 'barAlignment', 'axisSoftMax', 'lineStyle', 'transform', 'align', 'cellOptions', 'width'];
const property = (id, isCustom) => ({
  id: isCustom ? 'custom.' + id : id, path: id, isCustom, name: id, editor: () => null, override: () => null,
  process: identityOverrideProcessor, shouldApply: () => true, settings: {},
});
const registry = new FieldConfigOptionsRegistry();
STANDARD.forEach((id) => registry.register(property(id, false)));
CUSTOM.forEach((id) => registry.register(property(id, true)));
standardFieldConfigEditorRegistry.setInit(() => STANDARD.map((id) => property(id, false)));
const transformers = new Map(Object.values(standardTransformers).map((each) => [each.id, each]));
standardTransformersRegistry.setInit(() => [...transformers.values()].map((each) => (
  { id: each.id, name: each.name, transformation: async () => each, editor: () => null })));

const step = Math.max(given.scrape, Math.round(seconds / 200));
const values = {
  __rate_interval: Math.max(4 * given.scrape, step + given.scrape) + 's', __interval: step + 's', __range: seconds + 's',
};
for (const variable of board.templating.list) if (variable.type === 'query') values[variable.name] = variable.allValue;
const filledIn = (text) => text.replace(/\$\{?(\w+)\}?/g, (whole, name) => values[name] ?? whole);

async function ask(target) {
  const asked = new URLSearchParams({ query: filledIn(target.expr) });
  if (target.instant) asked.set('time', now / 1000);
  else { asked.set('start', from / 1000); asked.set('end', now / 1000); asked.set('step', step); }
  const answer = await fetch(`${prometheus}/api/v1/${target.instant ? 'query' : 'query_range'}`, { method: 'POST', body: asked });
  const said = await answer.json();
  if (said.status !== 'success') throw new Error(said.error);
  return said.data.result;
}
const named = (target, labels) => !target.legendFormat || target.legendFormat === '__auto'
  ? (Object.keys(labels).length ? JSON.stringify(labels) : 'Value')
  : target.legendFormat.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, name) => labels[name] ?? '');

function tableOf(target, found, isOnly) {
  const labels = [...new Set(found.flatMap((series) => Object.keys(series.metric)))];
  return { refId: target.refId, length: found.length, fields: [
    { name: 'Time', type: FieldType.time, config: {}, values: found.map((series) => series.value[0] * 1000) },
    ...labels.map((name) => ({ name, type: FieldType.string, config: {}, values: found.map((series) => series.metric[name] ?? '') })),
    { name: isOnly ? 'Value' : `Value #${target.refId}`, type: FieldType.number, config: {}, values: found.map((series) => +series.value[1]) },
  ] };
}
function lineOf(target, series) {
  const name = named(target, series.metric);
  const known = new Map((series.values ?? [series.value]).map(([at, value]) => [Math.round(at * 1000), value]));
  // A step without a value is a gap.
  const moments = target.instant ? [...known.keys()] : Array.from({ length: Math.floor((now - from) / (step * 1000)) + 1 }, (_, i) => Math.round(from + i * step * 1000));
  const at = (moment) => known.get(moment) ?? known.get(moment + 1) ?? known.get(moment - 1);
  return { refId: target.refId, name, length: moments.length, fields: [
    { name: 'Time', type: FieldType.time, config: { interval: step * 1000 }, values: moments },
    { name: 'Value', type: FieldType.number, labels: series.metric, config: { displayNameFromDS: name },
      values: moments.map((moment) => { const value = at(moment); return value === undefined || value === 'NaN' ? null : +value; }) },
  ] };
}
async function framesOf(panel) {
  const found = [];
  for (const target of panel.targets) {
    const series = await ask(target);
    if (target.format === 'table') found.push(tableOf(target, series, panel.targets.length === 1));
    else series.forEach((each) => found.push(lineOf(target, each)));
  }
  const full = panel.transformations?.length ? await firstValueFrom(transformDataFrame(panel.transformations, found)) : found;
  return applyFieldOverrides({
    data: full, fieldConfig: panel.fieldConfig, replaceVariables: (text) => filledIn(text ?? ''), theme, timeZone: 'utc', fieldConfigRegistry: registry,
  });
}

function Table({ panel, frame, frames, w, h }) {
  const { sortBy } = panel.options;
  const title = (field) => getFieldDisplayName(field, frame, frames);
  const by = frame.fields.find((field) => title(field) === sortBy?.[0]?.displayName);
  const order = Array.from({ length: frame.length }, (_, row) => row);
  if (by) order.sort((a, b) => (sortBy[0].desc ? -1 : 1) * ((by.values[a] ?? -1) - (by.values[b] ?? -1)));
  const side = (field) => ({ textAlign: field.type === 'number' ? 'right' : 'left', padding: '5px 8px', whiteSpace: 'nowrap' });
  const text = (field, row) => {
    const shown = field.display(field.values[row]);
    return <span style={field.config.custom?.cellOptions?.type === 'color-text' ? { color: shown.color } : {}}>{formattedValueToString(shown)}</span>;
  };
  return <div style={{ overflow: 'auto', width: w, height: h }}><table style={{ width: '100%', fontSize: 13 }}>
    <thead><tr>{frame.fields.map((field) => <th key={field.name} style={{ ...side(field), color: theme.colors.text.link }}>{title(field)}</th>)}</tr></thead>
    <tbody>{order.map((row) => <tr key={row}>{frame.fields.map((field) => <td key={field.name} style={{ ...side(field), borderTop: `1px solid ${theme.colors.border.weak}` }}>{text(field, row)}</td>)}</tr>)}</tbody>
  </table></div>;
}
function Heat({ panel, frames, w, h }) {
  const bound = (frame) => +(frame.fields[1].labels.le === '+Inf' ? Infinity : frame.fields[1].labels.le);
  const above = [...frames].sort((a, b) => bound(a) - bound(b));
  const rows = above.map((frame, i) => frame.fields[1].values.map((value, at) => Math.max(0, (value ?? 0) - (i ? above[i - 1].fields[1].values[at] ?? 0 : 0))));
  const peak = Math.max(1e-9, ...rows.flat()), used = rows.map((row) => row.some((value) => value > peak / 1e6));
  const first = used.indexOf(true), shown = rows.slice(first, used.lastIndexOf(true) + 1);
  const most = peak, left = 78, foot = 20, columns = shown[0]?.length ?? 1;
  const cw = (w - left) / columns, ch = (h - foot) / Math.max(1, shown.length), format = getValueFormat(panel.options.yAxis.unit);
  const upTo = (value) => value === Infinity ? '+Inf' : formattedValueToString(format(value));
  const moment = (share) => new Date(from + share * (now - from)).toISOString().slice(11, 16);
  return <svg width={w} height={h} style={{ fontSize: 11 }}>
    {shown.map((row, i) => <g key={i}>
      <text x={left - 8} y={h - foot - i * ch - ch / 2 + 4} textAnchor="end" fill={theme.colors.text.secondary}>≤ {upTo(bound(above[first + i]))}</text>
      {row.map((value, at) => value > peak / 1e6 && <rect key={at} x={left + at * cw} y={h - foot - (i + 1) * ch} width={cw + 0.4} height={ch - 1} fill="#ff780a" opacity={Math.sqrt(value / most)} />)}
    </g>)}
    {[0.1, 0.3, 0.5, 0.7, 0.9].map((share) => <text key={share} x={left + share * (w - left)} y={h - 4} textAnchor="middle" fill={theme.colors.text.secondary}>{moment(share)}</text>)}
  </svg>;
}
function Figure({ panel, frames, w, h }) {
  const { options } = panel;
  const found = getFieldDisplayValues({ fieldConfig: panel.fieldConfig, reduceOptions: options.reduceOptions, replaceVariables: (text) => text, theme, data: frames, sparkline: true, timeZone: 'utc' });
  return <div style={{ display: 'flex' }}>{found.map((each, i) => <BigValue key={i} width={w / found.length} height={h} value={each.display} sparkline={each.sparkline}
    colorMode={options.colorMode} graphMode={options.graphMode} justifyMode={options.justifyMode} textMode={options.textMode} theme={theme} />)}</div>;
}
function Bars({ panel, frames, w, h }) {
  const { options } = panel;
  const found = getFieldDisplayValues({ fieldConfig: panel.fieldConfig, reduceOptions: options.reduceOptions, replaceVariables: (text) => text, theme, data: frames, timeZone: 'utc' });
  const room = Math.min(h / found.length, 56), alignmentFactors = getDisplayValueAlignmentFactors(found);
  return <div>{found.map((each, i) => <div key={i} style={{ height: room }}><BarGauge width={w} height={room - 4} value={each.display} field={each.field}
    display={each.view?.getFieldDisplayProcessor?.(each.colIndex)} displayMode={options.displayMode} orientation={options.orientation}
    showUnfilled={options.showUnfilled} valueDisplayMode={options.valueMode} namePlacement={options.namePlacement} alignmentFactors={alignmentFactors} theme={theme} itemSpacing={4} lcdCellWidth={12} /></div>)}</div>;
}
function Drawing({ panel, frames, w, h }) {
  const { options } = panel;
  if (!frames.some((frame) => frame.length)) return <div style={{ padding: 20 }} data-empty={panel.title}>{panel.fieldConfig.defaults.noValue || 'No data'}</div>;
  if (panel.type === 'timeseries') return <TimeSeries frames={frames} structureRev={1} width={w} height={h} timeRange={timeRange} timeZone="utc" legend={{ ...options.legend, calcs: options.legend.calcs }} options={options} />;
  if (panel.type === 'stat') return <Figure panel={panel} frames={frames} w={w} h={h} />;
  if (panel.type === 'bargauge') return <Bars panel={panel} frames={frames} w={w} h={h} />;
  if (panel.type === 'table') return <Table panel={panel} frame={frames[0]} frames={frames} w={w} h={h} />;
  if (panel.type === 'heatmap') return <Heat panel={panel} frames={frames} w={w} h={h} />;
  return <pre data-error="1">no drawing of {panel.type}</pre>;
}
class Guarded extends React.Component {
  state = {};
  static getDerivedStateFromError(error) { return { error }; }
  render() { return this.state.error ? <pre data-error="1">{String(this.state.error.stack).slice(0, 400)}</pre> : this.props.children; }
}
const column = (innerWidth - 2 * GAP) / 24;
function Panel({ panel }) {
  const at = panel.gridPos;
  const [frames, set] = useState();
  const [error, fail] = useState();
  useEffect(() => { if (panel.type !== 'row') framesOf(panel).then(set, (problem) => fail(String(problem))); }, []);
  const w = narrow ? innerWidth - 2 * GAP : at.w * column - GAP, h = at.h * GRID - GAP;
  const place = narrow ? { marginBottom: GAP } : { position: 'absolute', left: GAP + at.x * column, top: GAP + at.y * GRID };
  return <div style={place}>
    {panel.type === 'row' ? <h4 style={{ margin: 4 }}>{panel.title}</h4> :
      <PanelChrome title={panel.title} description={panel.description} width={w} height={h}>{(iw, ih) => error ? <pre data-error="1">{panel.title}: {error}</pre>
        : frames ? <Guarded><Drawing panel={panel} frames={frames} w={iw} h={ih} /></Guarded> : <span data-waits="1" />}</PanelChrome>}
  </div>;
}
const tall = Math.max(...board.panels.map((panel) => panel.gridPos.y + panel.gridPos.h)) * GRID + 2 * GAP;
const App = () => <ThemeContext.Provider value={theme}><GlobalStyles />
  <div style={{ background: theme.colors.background.canvas, minHeight: narrow ? '100vh' : tall, position: 'relative', padding: GAP }}>
    {board.panels.map((panel) => <Panel key={panel.id} panel={panel} />)}
  </div></ThemeContext.Provider>;
createRoot(document.getElementById('root')).render(<App />);
