"""When the newest call of each provider began: rollups tell the day and the hour, so that few calls are looked at."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from tollkeeper.storage.ledger.calls import page
from tollkeeper.storage.ledger.contract import CallQuery
from tollkeeper.storage.ledger.tables import DAILY_BROAD, DIMENSION_VALUES, HOURLY_BROAD, NS_A_DAY, NS_AN_HOUR
from tollkeeper.storage.ledger.usage import LATEST


def newest(connection: Connection, before: int) -> dict[str, int]:
    """By provider. Days that begin at `before` or later are left out: their calls are from clocks that are wrong."""
    values = DIMENSION_VALUES.c
    days = (
        select(values.provider, func.max(DAILY_BROAD.c.bucket))
        .join(DAILY_BROAD, DAILY_BROAD.c.dimension == values.id)
        .where(DAILY_BROAD.c.bucket < -(-before // NS_A_DAY), DAILY_BROAD.c.calls > 0)
        .group_by(values.provider)
    )
    return {provider: _in_day(connection, provider, day) for provider, day in connection.execute(days).all()}


def _in_day(connection: Connection, provider: str, day: int) -> int:
    """The newest call, or the hour in which it was, if it is deleted by now."""
    table, values = HOURLY_BROAD.c, DIMENSION_VALUES.c
    hours = (
        select(func.max(table.bucket))
        .join(DIMENSION_VALUES, values.id == table.dimension)
        .where(table.bucket >= day * 24, table.bucket < day * 24 + 24, table.calls > 0, values.provider == provider)
    )
    hour = connection.execute(hours).scalar()
    begins = day * NS_A_DAY if hour is None else hour * NS_AN_HOUR
    ends = min(begins + (NS_A_DAY if hour is None else NS_AN_HOUR), LATEST)
    found, _ = page(connection, CallQuery(begins, ends, {"provider": (provider,)}, limit=1), ends)
    return int(found[0]["started_at"]) if found else begins
