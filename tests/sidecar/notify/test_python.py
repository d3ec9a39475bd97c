"""A function of one's own is called with all that a webhook is sent, sync or async, and cannot do harm."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal

import pytest

from sidecar.notify import handlers_of_ours
from sidecar.notify.given import channel, notification, send
from tollkeeper.config.references import resolve
from tollkeeper.sidecar.notify.contract import Delivery
from tollkeeper.sidecar.notify.messages import message_of
from tollkeeper.sidecar.notify.python import PythonNotifier

MODULE = handlers_of_ours.__name__


@pytest.fixture(autouse=True)
def _called() -> Iterator[None]:
    handlers_of_ours.called.clear()
    handlers_of_ours.released.clear()
    yield
    handlers_of_ours.released.set()


@pytest.mark.parametrize("name", ["sync", "later"])
def test_it_is_called(name: str) -> None:
    assert send(channel(kind="python", url=f"{MODULE}:{name}")) == Delivery("sent", "the function was called")
    ((which, payload),) = handlers_of_ours.called
    assert which == name
    assert (payload["id"], payload["event"], payload["limit"]) == ("example-fired", "fired", "example")
    assert payload["used"] == Decimal("8.5")
    assert "gpt-4o: $6.12 (72 %)" in payload["message"]


async def test_an_async_one_is_called_where_an_event_loop_runs() -> None:
    assert asyncio.get_running_loop().is_running()
    assert send(channel(kind="python", url=f"{MODULE}:later")).outcome == "sent"
    assert [which for which, _ in handlers_of_ours.called] == ["later"]


@pytest.mark.parametrize(("name", "error"), [("wrong", "KeyError"), ("wrong_later", "ValueError")])
def test_what_it_raises_is_told_without_what_it_says(name: str, error: str, logged: list[str]) -> None:
    told = send(channel(kind="python", url=f"{MODULE}:{name}"))
    assert told.outcome == "failed"
    assert told.detail.startswith(f"the function raised {error} in handlers_of_ours.py, line ")
    assert "a-secret-of-theirs" not in f"{told}{logged}"


def test_one_that_hangs_keeps_nobody_waiting() -> None:
    to = channel(kind="python", url=f"{MODULE}:hanging")
    told = PythonNotifier(to, resolve, patience=0.1).send(notification(), message_of(notification(), to))
    assert told == Delivery("failed", "the function has not ended within 0.1 s")


@pytest.mark.parametrize(
    ("url", "detail"),
    [
        ("no.such.module:function", "the function cannot be imported: ModuleNotFoundError"),
        (f"{MODULE}:missing", "the function cannot be imported: AttributeError"),
        (f"{MODULE}:nothing", "what it names is no function"),
    ],
)
def test_what_is_no_function_is_refused(url: str, detail: str) -> None:
    assert send(channel(kind="python", url=url)) == Delivery("refused", detail)
