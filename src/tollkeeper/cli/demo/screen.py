"""The demo while it runs: a live table on a terminal, a line now and then elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from time import monotonic

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tollkeeper.cli.demo.plan import Job
from tollkeeper.cli.demo.tally import Row, Tally, error_name, quantile
from tollkeeper.model import Call
from tollkeeper.simulator.traffic import DAY, HOUR, MINUTE

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
LINE_EVERY_SECONDS = 3.0
RECENT = 5
LINES_AROUND_TABLE = 22
"""What the live view shows besides the rows of its table, on a narrow terminal."""
FEWEST_ROWS = 3


class Screen:
    """`seconds`: how long the demo takes; `None`: for ever."""

    def __init__(
        self, console: Console, tally: Tally, metrics_url: str, sidecar_url: str, seconds: float | None
    ) -> None:
        self._console = console
        self._tally = tally
        self._metrics_url = metrics_url
        self._sidecar_url = sidecar_url
        self._seconds = seconds
        self._at = 0.0
        self._share = 0.0
        self._live: Live | None = None
        self._last_line = monotonic()
        self._note = ""

    def began(self, job: Job) -> None:
        """A job has begun: it is its time of day now."""
        self._at = job.call.at_seconds
        if self._seconds:
            self._share = min(1.0, job.at / self._seconds)

    def note(self, text: str) -> None:
        self._note = text

    @contextmanager
    def live(self, plain: bool) -> Iterator[None]:
        if plain:
            told = f"Tollkeeper demo. Metrics: {self._metrics_url} Page and API: {self._sidecar_url}"
            self._console.print(told, highlight=False, soft_wrap=True)
            yield
            return
        with Live(console=self._console, auto_refresh=False, transient=True) as self._live:
            yield
        self._live = None

    def draw(self, in_flight: int) -> None:
        """Show how things are now."""
        if self._live is not None:
            self._live.update(self._view(in_flight), refresh=True)
        elif monotonic() - self._last_line >= LINE_EVERY_SECONDS:
            self._last_line = monotonic()
            line = Text(" · ").join(self._counts(in_flight))
            self._console.print(Text(f"{self._clock()}  ").append_text(line), soft_wrap=True)

    def _clock(self) -> str:
        weekday = WEEKDAYS[int(self._at // DAY) % 7]
        return f"{weekday} {int(self._at % DAY // HOUR):02}:{int(self._at % HOUR // MINUTE):02}"

    def _counts(self, in_flight: int) -> list[Text]:
        with self._tally.lock:
            total = self._tally.all
            calls = Text(f"{total.calls:,} calls · {total.streams:,} streams · {in_flight} in flight · ")
            calls.append(f"{total.errors} errors", "red" if total.errors else "")
            tokens = Text(f"{total.input:,} tokens in ({total.cached:,} cached) · {total.output:,} out · ")
            tokens.append(dollars(total.usd, 4), "bold green")
        return [calls, tokens]

    def _view(self, in_flight: int) -> RenderableType:
        top = Table.grid(expand=True, padding=(0, 1))
        top.add_column()
        top.add_column(ratio=1)
        top.add_row(Text(self._clock(), "bold"), ProgressBar(1.0, self._share) if self._seconds else "")
        lines: list[RenderableType] = [
            top,
            *self._counts(in_flight),
            Text.assemble("Metrics:  ", (self._metrics_url, "cyan underline")),
            Text.assemble("Its page: ", (self._sidecar_url, "cyan underline")),
        ]
        if self._note:
            lines.append(Text(self._note, "yellow"))
        with self._tally.lock:
            rows = max(FEWEST_ROWS, self._console.height - LINES_AROUND_TABLE)
            table = models_table(self._tally, self._console.width, rows)
            is_wide = self._console.width >= WIDE
            recent = [recent_line(call, is_wide) for call in list(self._tally.recent)[-RECENT:]]
        panel = Panel(Group(*lines), title="[bold]tollkeeper demo[/]", title_align="left", border_style="cyan")
        return Group(panel, table, Text("Last calls", "dim"), *recent)


def models_table(tally: Tally, width: int, most: int | None = None) -> Table:
    """By tenant and model, the tenant that costs most first. Read under the tally's lock."""
    table = Table(box=box.SIMPLE_HEAD, show_footer=True, pad_edge=False, collapse_padding=True)
    cells = [read for name, read in CELLS.items() if width >= WIDE or name not in WIDE_ONLY]
    for name in ("Tenant", "Model"):
        table.add_column(name, footer="all" if name == "Tenant" else "", no_wrap=True)
    for name, read in CELLS.items():
        if read in cells:
            table.add_column(name, footer=read(tally.all), justify="right", no_wrap=True)
    spent: dict[str, Decimal] = {}
    for (tenant, _), row in tally.by_model.items():
        spent[tenant] = spent.get(tenant, Decimal(0)) + row.usd
    ordered = sorted(tally.by_model.items(), key=lambda each: (-spent[each[0][0]], each[0][0], -each[1].usd))
    last = ""
    for (tenant, model), row in ordered[:most]:
        table.add_row(Text(tenant if tenant != last else "", "bold"), model, *(read(row) for read in cells))
        last = tenant
    if most is not None and len(ordered) > most:
        table.add_row("", Text(f"and {len(ordered) - most} more", "dim"))
    return table


def cost(row: Row) -> Text:
    """A model without a price has no cost; that is something else than $0."""
    if row.unpriced == row.calls and row.calls:
        return Text("unpriced", "yellow")
    return Text(dollars(row.usd, 4), "green")


def dollars(amount: Decimal, places: int) -> str:
    return f"${amount:,.{places}f}"


def seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} s"


def recent_line(call: Call, is_wide: bool) -> Text:
    """One call as a line."""
    usage = call.usage
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"  {call.tags.get('user', ''):<14} ")
    if is_wide:
        line.append(f"{call.tags.get('feature', ''):<8} ")
    line.append(f"{call.request_model or '':<18} ")
    line.append("stream  " if call.stream else "        ", "dim")
    if usage.known:
        line.append(f"{usage.input_tokens or 0:>7,} → {usage.output_tokens or 0:<6,}")
    else:
        line.append(" " * 16)
    line.append(f"{seconds(call.duration):>7}  ")
    if call.error_type is not None:
        line.append(error_name(call), "red")
    elif call.cost is not None:
        line.append(dollars(call.cost.usd, 6), "green")
    else:
        line.append("unpriced", "yellow")
    if call.usage_source in ("estimated", "partial"):
        line.append(f" {call.usage_source}", "magenta")
    return line


CELLS: Mapping[str, Callable[[Row], RenderableType]] = {
    "Calls": lambda row: f"{row.calls:,}",
    "Streams": lambda row: f"{row.streams:,}",
    "Input": lambda row: f"{row.input:,}",
    "Cached": lambda row: f"{row.cached:,}",
    "Output": lambda row: f"{row.output:,}",
    "Cost": cost,
    "p50": lambda row: seconds(quantile(row.durations, 0.5)),
    "p95": lambda row: seconds(quantile(row.durations, 0.95)),
    "1st chunk": lambda row: seconds(quantile(row.first_chunks, 0.5)),
    "Errors": lambda row: Text(str(row.errors), "red") if row.errors else "",
}
"""The columns after the names."""
WIDE = 112
WIDE_ONLY = ("Streams", "Cached", "p50", "1st chunk")
"""The columns that a narrow terminal has no room for."""
