// Draws the charts of a page with uPlot. Each has its figures beside it as JSON; their colours are the stylesheet's.

const drawn = new WeakMap();
let loading;

/** uPlot is asked for by the first page that has a chart. */
function uPlot() {
  loading ??= new Promise((resolve, reject) => {
    const { library } = document.querySelector("[data-library]").dataset;
    const script = Object.assign(document.createElement("script"), { src: library, onload: () => resolve(window.uPlot), onerror: reject });
    document.head.append(script);
  });
  return loading;
}

export async function drawAll(within) {
  const figures = [...within.querySelectorAll("[data-chart]")];
  if (!figures.length) return;
  const Plot = await uPlot();
  for (const figure of figures) draw(Plot, figure);
}

function draw(Plot, figure) {
  const place = figure.querySelector(".plot");
  const text = figure.querySelector("script").textContent;
  const before = drawn.get(figure);
  if (before) { before.plot.destroy(); before.sizes.disconnect(); }
  const chart = JSON.parse(text);
  const colours = coloursOf(figure, chart.lines.length);
  const plot = new Plot(options(Plot, chart, colours, place), columns(chart), place);
  const sizes = new ResizeObserver(() => plot.setSize(sizeOf(place)));
  sizes.observe(place);
  drawn.set(figure, { plot, sizes });
}

function coloursOf(figure, count) {
  const probe = figure.appendChild(document.createElement("i"));
  const named = (name) => { probe.style.color = `var(${name})`; return getComputedStyle(probe).color; };
  const colours = {
    lines: Array.from({ length: count }, (_, n) => named(`--series-${(n % 8) + 1}`)),
    text: named("--text-quiet"), grid: named("--line"), band: named("--band"), level: named("--bad"), mark: named("--mark"),
    surface: named("--surface"),
  };
  probe.remove();
  return colours;
}

/** Of a stack, each line is drawn from the ground up to its sum with those below it, the highest first. */
function columns(chart) {
  if (chart.form !== "stack") return [chart.x, ...chart.lines.map((line) => line.values), ...bandColumns(chart)];
  const sums = chart.x.map(() => 0);
  const tops = chart.lines.map((line) => line.values.map((value, n) => (value == null ? null : (sums[n] += value))));
  return [chart.x, ...tops.reverse(), ...bandColumns(chart)];
}

function bandColumns(chart) {
  return chart.band ? [chart.band.high, chart.band.low] : [];
}

function options(Plot, chart, colours, place) {
  const isStack = chart.form === "stack";
  const order = chart.lines.map((_, n) => (isStack ? chart.lines.length - 1 - n : n));
  const bars = Plot.paths.bars({ size: [0.82, 110], align: 1, radius: 0.12 });
  const series = order.map((n) => ({
    label: chart.lines[n].label,
    stroke: isStack ? colours.surface : colours.lines[n],
    width: isStack ? 0.6 : 2,
    fill: isStack ? colours.lines[n] : undefined,
    dash: chart.lines[n].dashed ? [6, 4] : undefined,
    paths: isStack ? bars : undefined,
    points: { show: !isStack && chart.x.length < 3 },
  }));
  const hidden = { stroke: "transparent", points: { show: false }, width: 0 };
  const first = series.length + 1;
  return {
    ...sizeOf(place),
    tzDate: (seconds) => Plot.tzDate(new Date(seconds * 1000), chart.zone),
    legend: { show: false },
    cursor: { points: { show: !isStack }, drag: { x: false, y: false } },
    scales: { x: { time: true, range: (_, low, high) => [low, isStack ? high + step(chart) : Math.max(high, low + 1)] }, y: { range: (_, low, high) => [Math.min(0, low ?? 0), top(high, chart)] } },
    series: [{}, ...series, ...(chart.band ? [hidden, hidden] : [])],
    bands: chart.band ? [{ series: [first, first + 1], fill: colours.band }] : undefined,
    axes: [
      { stroke: colours.text, grid: { show: false }, ticks: { show: false }, font: "12px system-ui", size: 30, space: 64, ...moments(chart, isStack) },
      { stroke: colours.text, grid: { stroke: colours.grid, width: 1 }, ticks: { show: false }, font: "12px system-ui", size: 58, values: (_, ticks) => ticks.map((tick) => figure(tick, chart, true)) },
    ],
    hooks: { draw: [(plot) => drawOver(plot, chart, colours)], setCursor: [(plot) => showTip(plot, chart, colours, place)] },
  };
}

/** Hours are told by the clock, wherever they are; days below their bars, as many as there is room for. */
function moments(chart, isStack) {
  if (chart.byHour) return { values: (_, ticks, __, ___, gap) => ticks.map((tick) => when(tick, chart, gap < 86400)) };
  const middle = isStack ? 0.41 * step(chart) : 0;
  return {
    splits: (plot) => {
      const every = Math.ceil((chart.x.length * 64 * devicePixelRatio) / plot.bbox.width) || 1;
      return chart.x.filter((_, n) => n % every === 0).map((at) => at + middle);
    },
    values: (_, ticks) => ticks.map((tick) => when(tick - middle, chart, false)),
  };
}

function step(chart) {
  const gaps = chart.x.slice(1).map((at, n) => at - chart.x[n]);
  return gaps.length ? Math.min(...gaps) : chart.byHour ? 3600 : 86400;
}

function top(high, chart) {
  return Math.max(high ?? 0, ...chart.levels.map((level) => level.value), 1e-9) * 1.08;
}

function sizeOf(place) {
  return { width: Math.max(200, place.clientWidth), height: place.clientWidth < 480 ? 190 : 250 };
}

/** Levels right across, and the signs of what happened at its time, above. */
function drawOver(plot, chart, colours) {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.font = `${12 * ratio}px system-ui`;
  for (const level of chart.levels) {
    const y = plot.valToPos(level.value, "y", true);
    ctx.strokeStyle = ctx.fillStyle = colours.level;
    ctx.setLineDash([4 * ratio, 4 * ratio]);
    ctx.lineWidth = ratio * 1.5;
    ctx.beginPath(); ctx.moveTo(bbox.left, y); ctx.lineTo(bbox.left + bbox.width, y); ctx.stroke();
    ctx.textAlign = "left";
    ctx.fillText(level.label, bbox.left + 6 * ratio, y - 5 * ratio);
  }
  ctx.fillStyle = colours.mark;
  ctx.textAlign = "center";
  for (const mark of chart.marks) {
    if (mark.at < plot.scales.x.min || mark.at > plot.scales.x.max) continue;
    ctx.fillText(mark.sign, plot.valToPos(mark.at, "x", true), bbox.top + 10 * ratio);
  }
  ctx.restore();
}

function figure(value, chart, isTick = false) {
  if (value == null) return "–";
  const { locale, unit } = chart;
  const small = Math.abs(value) < 0.1 && value !== 0;
  if (unit === "usd") return new Intl.NumberFormat(locale, { style: "currency", currency: "USD", ...(isTick && Math.abs(value) >= 1000 ? { notation: "compact" } : small ? { maximumSignificantDigits: 3 } : isTick && value >= 10 ? { maximumFractionDigits: 0 } : {}) }).format(value);
  if (unit === "percent") return new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 1 }).format(value);
  if (unit === "seconds") return value < 1 ? `${Math.round(value * 1000)} ms` : `${value.toFixed(1)} s`;
  return new Intl.NumberFormat(locale, isTick ? { notation: "compact" } : {}).format(value);
}

function when(seconds, chart, byHour) {
  const parts = byHour ? { hour: "2-digit", minute: "2-digit", hour12: false } : { month: "short", day: "numeric" };
  return new Intl.DateTimeFormat(chart.locale, { timeZone: chart.zone, ...parts }).format(new Date(seconds * 1000));
}

function showTip(plot, chart, colours, place) {
  let tip = place.querySelector(".tip");
  const n = plot.cursor.idx;
  if (n == null || plot.cursor.left < 0) { if (tip) tip.hidden = true; return; }
  tip ??= place.appendChild(Object.assign(document.createElement("div"), { className: "tip" }));
  tip.hidden = false;
  const day = new Intl.DateTimeFormat(chart.locale, { timeZone: chart.zone, dateStyle: "medium", ...(chart.byHour ? { timeStyle: "short" } : {}) });
  const rows = chart.lines.map((line, at) => ({ colour: colours.lines[at], label: line.label, value: line.values[n] })).filter((row) => row.value);
  if (chart.form === "stack" && rows.length > 1) rows.push({ label: "All", value: rows.reduce((sum, row) => sum + row.value, 0) });
  const range = chart.band && chart.band.low[n] != null ? [{ label: chart.band.label, text: `${figure(chart.band.low[n], chart)} to ${figure(chart.band.high[n], chart)}` }] : [];
  tip.replaceChildren(line("b", day.format(new Date(chart.x[n] * 1000))), ...[...rows, ...range].map((row) => tipRow(row, chart)));
  const half = plot.cursor.left > plot.over.clientWidth / 2;
  tip.style.left = half ? "" : `${plot.cursor.left + 74}px`;
  tip.style.right = half ? `${plot.over.clientWidth - plot.cursor.left + 14}px` : "";
}

function tipRow(row, chart) {
  const part = document.createElement("div");
  const swatch = document.createElement("i");
  if (row.colour) swatch.style.background = row.colour;
  part.append(swatch, line("span", row.label), line("b", row.text ?? figure(row.value, chart)));
  return part;
}

function line(kind, text) {
  return Object.assign(document.createElement(kind), { textContent: text });
}
