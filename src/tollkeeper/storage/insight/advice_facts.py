"""The sums that advice is made from: a few statements over the calls of some days, all of them at once.

What was billed besides text (sounds, pictures, searches), or in a context other than a tier, is left out: its sums
cannot be priced again. Corrections of prices are counted where they were made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text

from tollkeeper.insight.advice.facts import Answers, Failed, Histogram, Repeated, Rhythm, Task, Use
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import Ledger, UsageQuery
from tollkeeper.storage.ledger.failures import told_apart
from tollkeeper.telemetry.attributes import PROMPT_DIGEST

NS_A_DAY = 86_400_000_000_000
NS_A_WINDOW = 300_000_000_000
"""Five minutes: how long a provider's cache keeps what nobody asks for."""
HOURS = 24
STANDARD = ("", "auto", "default", "standard", "standard_only", "on_demand", "unspecified")
MOST_GROUPS = 300_000
"""Rows of one statement: where features are so many, the last of them by name are left out."""

COUNTED = "NOT EXISTS (SELECT 1 FROM retractions x WHERE x.id = c.id AND x.attempt = c.attempt)"
WITHIN = f"c.started_at >= :start AND c.started_at < :end AND {COUNTED}"
TASK = "coalesce(c.feature, ''), c.provider, coalesce(c.request_model, c.model), c.operation"
SUCCEEDED = "c.error_type IS NULL AND c.input_tokens IS NOT NULL"

_OTHER_METERS = ('"input_', '"output_', "_audio", "_image", "web_searches")


class AdviceFacts:
    """Of one ledger. All of it raises `LedgerUnavailable`. Times are nanoseconds, whole days of UTC."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self._database = database
        self._ledger = ledger
        self._sql = _Sql(database.is_sqlite)

    def uses(self, start: int, end: int, thresholds: Sequence[int], by_tenant: bool) -> list[Use]:
        """Sums of usage and cost. `thresholds`: of input tokens, above which prices change."""
        band = _band("c.input_tokens", thresholds)
        tenant = "coalesce(c.tenant, '')" if by_tenant else "CAST('' AS TEXT)"
        keys = f"{TASK}, c.model, {self._sql.tier}, {tenant}, {band}, coalesce(c.cost_source, '') = 'provider'"
        hour = self._sql.number("cache_write_1h_tokens", "usage")
        sums = f"""count(*), count(c.nano_usd) + coalesce(sum(a.costed), 0),
            coalesce(sum(c.nano_usd), 0) + coalesce(sum(a.nano_usd), 0),
            sum(c.input_tokens), coalesce(sum(c.output_tokens), 0), coalesce(sum(c.cache_read_tokens), 0),
            coalesce(sum(c.cache_write_tokens), 0), coalesce(sum({hour}), 0), coalesce(sum(c.reasoning_tokens), 0),
            sum(CASE WHEN c.stream THEN 1 ELSE 0 END),
            sum(CASE WHEN c.session IS NOT NULL OR c."user" IS NOT NULL THEN 1 ELSE 0 END),
            sum(CAST(c.input_tokens AS DOUBLE PRECISION) * c.input_tokens),
            sum(CAST(coalesce(c.output_tokens, 0) AS DOUBLE PRECISION) * coalesce(c.output_tokens, 0)),
            coalesce(sum(c.duration), 0)"""
        corrected = """LEFT JOIN (
            SELECT id, attempt, sum(delta_costed) AS costed, sum(delta_nano_usd) AS nano_usd FROM adjustments
            WHERE started_at >= :start AND started_at < :end GROUP BY id, attempt
            ) a ON a.id = c.id AND a.attempt = c.attempt"""
        asked = f"SELECT {keys}, {sums} FROM calls c {corrected} WHERE {WITHIN} AND {SUCCEEDED} AND {self._sql.plain}"
        return [_use(row) for row in self._rows(f"{asked} GROUP BY {_numbers(9)}", start, end)]

    def daily(self, start: int, end: int) -> dict[Task, tuple[int, ...]]:
        """What each task has cost each day, by the model that answered: the ledger's sums know no other."""
        days = (end - start) // NS_A_DAY
        found: dict[Task, list[int]] = {}
        asked = f"""SELECT {TASK}, (c.started_at - :start) / {NS_A_DAY} AS day, coalesce(sum(c.nano_usd), 0)
            FROM calls c WHERE {WITHIN} GROUP BY {_numbers(5)}"""
        for *task, day, nano_usd in self._rows(asked, start, end):
            found.setdefault(Task(*task), [0] * days)[int(day)] += int(nano_usd)
        return {task: tuple(amounts) for task, amounts in found.items()}

    def rhythms(self, start: int, end: int) -> dict[Task, Rhythm]:
        """When calls come."""
        inner = f"""SELECT {self._sql.named_task}, c.started_at / {NS_A_WINDOW} AS place, count(*) AS calls
            FROM calls c WHERE {WITHIN} AND {SUCCEEDED} GROUP BY {_numbers(5)}"""
        asked = f"""SELECT feature, provider, asked, operation, (place / 12) % {HOURS}, count(*), sum(calls),
            count(DISTINCT place / 12)
            FROM ({inner}) w GROUP BY {_numbers(5)}"""
        windows: dict[Task, int] = {}
        whole_hours: dict[Task, int] = {}
        hours: dict[Task, list[int]] = {}
        for *names, hour, number, calls, days in self._rows(asked, start, end):
            task = Task(*names)
            windows[task] = windows.get(task, 0) + int(number)
            whole_hours[task] = whole_hours.get(task, 0) + int(days)
            hours.setdefault(task, [0] * HOURS)[int(hour)] += int(calls)
        return {task: Rhythm(windows[task], tuple(by_hour), whole_hours[task]) for task, by_hour in hours.items()}

    def inputs(self, start: int, end: int) -> dict[Task, Histogram]:
        """How many tokens calls put in."""
        found: dict[Task, dict[int, int]] = {}
        asked = f"""SELECT {TASK}, {_bucket("c.input_tokens")}, count(*) FROM calls c
            WHERE {WITHIN} AND {SUCCEEDED} GROUP BY {_numbers(5)}"""
        for *names, bucket, calls in self._rows(asked, start, end):
            found.setdefault(Task(*names), {})[int(bucket)] = int(calls)
        return {task: _histogram(buckets) for task, buckets in found.items()}

    def answers(self, start: int, end: int) -> list[Answers]:
        """How long answers were, by the most that was asked for, where that is known."""
        asked_for = self._sql.number("gen_ai.request.max_tokens", "parameters")
        found: dict[tuple[Task, int], dict[int, int]] = {}
        asked = f"""SELECT {TASK}, {asked_for} AS most, {_bucket("coalesce(c.output_tokens, 0)")}, count(*)
            FROM calls c WHERE {WITHIN} AND {SUCCEEDED} AND {asked_for} IS NOT NULL GROUP BY {_numbers(6)}"""
        for *names, most, bucket, calls in self._rows(asked, start, end):
            found.setdefault((Task(*names), int(most)), {})[int(bucket)] = int(calls)
        return [Answers(task, most, _histogram(buckets)) for (task, most), buckets in found.items()]

    def repeated(self, start: int, end: int) -> list[Repeated]:
        """Prompts that were sent more than once, where prompts have a digest."""
        digest = self._sql.text(PROMPT_DIGEST, "parameters")
        inner = f"""SELECT {self._sql.named_task}, {digest} AS digest, count(*) AS calls,
            CAST(sum(c.nano_usd) AS BIGINT) AS nano_usd, count(DISTINCT c.started_at / {NS_A_DAY}) AS days
            FROM calls c WHERE {WITHIN} AND {SUCCEEDED} AND c.nano_usd IS NOT NULL AND {digest} IS NOT NULL
            GROUP BY {_numbers(5)} HAVING count(*) > 1"""
        # The mean cost of a prompt's calls, as many times as it was sent again.
        asked = f"""SELECT feature, provider, asked, operation, count(*), sum(calls), sum(calls - 1),
            sum(nano_usd - nano_usd / calls), sum(calls - days), sum(nano_usd - nano_usd / calls * days)
            FROM ({inner}) p GROUP BY {_numbers(4)}"""
        return [Repeated(Task(*row[:4]), *map(int, row[4:])) for row in self._rows(asked, start, end)]

    def failed(self, start: int, end: int) -> list[Failed]:
        """Calls that brought nothing, by how they ended; those that were left half-way are `abandoned`."""
        abandoned = self._sql.says_abandoned
        ended = f"CASE WHEN c.error_type IS NOT NULL THEN c.error_type WHEN {abandoned} THEN 'abandoned' END"
        asked = f"""SELECT {TASK}, {ended} AS ended, count(*), count(c.nano_usd), coalesce(sum(c.nano_usd), 0),
            coalesce(sum(c.input_tokens), 0), coalesce(sum(c.output_tokens), 0)
            FROM calls c WHERE {WITHIN} AND (c.error_type IS NOT NULL OR {abandoned}) GROUP BY {_numbers(5)}"""
        return [Failed(Task(*row[:4]), row[4], *map(int, row[5:])) for row in self._rows(asked, start, end)]

    def models(self, start: int, end: int) -> list[tuple[str, str]]:
        """The providers and models that were called, from the ledger's sums."""
        rows = self._ledger.usage(UsageQuery(start, end, ("provider", "model")))
        return [(row.group[0], row.group[1]) for row in rows]

    def _rows(self, asked: str, start: int, end: int) -> Iterator[Sequence[Any]]:
        with told_apart(self._database), self._database.read() as connection:
            self._prepare(connection)
            sorted_by_task = text(f"{asked} ORDER BY {_numbers(4)}")
            found = connection.execute(sorted_by_task, {"start": start, "end": end}).fetchmany(MOST_GROUPS)
        return iter(found)

    def _prepare(self, connection: Connection) -> None:
        if not self._database.is_sqlite:
            # It would compile the statement for longer than it runs.
            connection.exec_driver_sql("SET LOCAL jit = off")


class _Sql:
    """What the two databases say in different words. Details are read by patterns in PostgreSQL, whose JSON refuses
    texts that are no Unicode."""

    def __init__(self, is_sqlite: bool) -> None:
        self._is_sqlite = is_sqlite
        tier = f"coalesce(c.service_tier, {self.text('service_tier', 'price_context')}, '')"
        batch = f"coalesce({self.text('processing', 'price_context')}, '') = 'batch' OR lower({tier}) = 'batch'"
        usual = ", ".join(f"'{name}'" for name in STANDARD)
        self.tier = f"CASE WHEN {batch} THEN 'batch' WHEN lower({tier}) IN ({usual}) THEN '' ELSE lower({tier}) END"
        self.named_task = (
            "coalesce(c.feature, '') AS feature, c.provider AS provider, "
            "coalesce(c.request_model, c.model) AS asked, c.operation AS operation"
        )
        self.says_abandoned = f"{self._finds('c.details', chr(34) + 'abandoned' + chr(34) + ':true')} > 0"
        odd = [f"{self._finds('c.line_items', word)} = 0" for word in _OTHER_METERS]
        odd += [f"{self._finds('c.details', word)} = 0" for word in ('"passes":', '"billed_usage":')]
        for name, usual in (("inference_geo", "'', 'global', 'not_available'"), ("speed", "'', 'standard'")):
            odd.append(f"lower(coalesce({self.text(name, 'price_context')}, '')) IN ({usual})")
        self.plain = " AND ".join(odd)

    def text(self, name: str, inside: str) -> str:
        """A text of a call's details."""
        if self._is_sqlite:
            return f"""json_extract(c.details, '$.{inside}."{name}"')"""
        return f"""substring(c.details from '"{_quoted(name)}"\\:"([^"]*)"')"""

    def number(self, name: str, inside: str) -> str:
        """A whole number of a call's details."""
        if self._is_sqlite:
            return f"""CAST(json_extract(c.details, '$.{inside}."{name}"') AS INTEGER)"""
        return f"""CAST(substring(c.details from '"{_quoted(name)}"\\:([0-9]{{1,12}})') AS BIGINT)"""

    def _finds(self, column: str, word: str) -> str:
        word = word.replace(":", "\\:")
        function = "instr" if self._is_sqlite else "strpos"
        return f"{function}(coalesce({column}, ''), '{word}')"


def _quoted(name: str) -> str:
    return name.replace(".", "[.]")


def _numbers(last: int) -> str:
    return ", ".join(str(number) for number in range(1, last + 1))


def _band(column: str, thresholds: Sequence[int]) -> str:
    """The last threshold that is passed; -1 for none."""
    steps = sorted({each for each in thresholds if each >= 0}, reverse=True)
    whens = " ".join(f"WHEN {column} > {int(each)} THEN {int(each)}" for each in steps)
    return f"CASE {whens} ELSE -1 END" if whens else "-1"


def _buckets() -> tuple[int, ...]:
    """The most of each bucket: an eighth wider each time."""
    found, at = [], 8
    while at < 4_000_000:
        found.append(at)
        at += max(at // 8, 1)
    return tuple(found)


BUCKETS = _buckets()


def _bucket(column: str) -> str:
    """The most that is in a value's bucket: looked up by halves, as there are a hundred."""

    def half(found: Sequence[int]) -> str:
        if len(found) == 1:
            return str(found[0])
        middle = len(found) // 2
        return f"CASE WHEN {column} <= {found[middle - 1]} THEN {half(found[:middle])} ELSE {half(found[middle:])} END"

    return half(BUCKETS)


def _histogram(buckets: Mapping[int, int]) -> Histogram:
    return Histogram(tuple(sorted(buckets.items())))


def _use(row: Sequence[Any]) -> Use:
    names, model, tier, tenant, above, named = row[:4], *row[4:9]
    whole = [int(value) for value in row[9:20]]
    return Use(Task(*names), model, tier, tenant, int(above), bool(named), *whole, *(float(each) for each in row[20:]))
