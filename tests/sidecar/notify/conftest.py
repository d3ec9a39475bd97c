from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from services.sinks import HttpSink, MailSink, http_sink, mail_sink


@pytest.fixture
def web() -> Iterator[HttpSink]:
    with http_sink() as sink:
        yield sink


@pytest.fixture
def mail() -> Iterator[MailSink]:
    with mail_sink() as sink:
        yield sink


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """All that reaches the log of a process that logs everything there is."""
    lines: list[str] = []
    root, handler = logging.getLogger(), logging.Handler()
    handler.emit = lambda record: lines.append(f"{record.name}: {record.getMessage()}")  # type: ignore[method-assign]
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield lines
    root.setLevel(level)
    root.removeHandler(handler)
