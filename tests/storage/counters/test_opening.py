"""Counters by their URL."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from clocks import Clock
from storage.counters.charges import dollars, hold
from tollkeeper.storage.counters import Held, Level
from tollkeeper.storage.counters.memory import MemoryCounters
from tollkeeper.storage.counters.opening import open_counters
from tollkeeper.storage.counters.redis import RedisCounters
from tollkeeper.storage.counters.sqlite import SqliteCounters


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("memory:", MemoryCounters),
        ("memory://", MemoryCounters),
        ("sqlite:///counters.db", SqliteCounters),
        ("redis://host:6379/0", RedisCounters),
        ("rediss://:password@host:6379/0?prefix=team&timeout=0.1", RedisCounters),
        ("valkey://host", RedisCounters),
        ("valkeys://host/3", RedisCounters),
        ("unix:///run/redis.sock", RedisCounters),
    ],
)
def test_each_kind(url: str, kind: type) -> None:
    assert isinstance(open_counters(url), kind)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "expected memory:, sqlite:///FILE, redis://HOST"),
        ("memory", "'memory' are no counters"),
        ("postgresql://me:secret@host/db", "postgresql:… are no counters"),
        ("sqlite:", "need a file"),
        ("sqlite://", "need a file"),
        ("sqlite:///:memory:", "need a file"),
        ("sqlite://folder/counters.db", "need a file"),
        ("sqlite:///counters.db?prefix=a", "prefix is no option"),
        ("sqlite:///counters.db?timeout=soon", "timeout='soon': expected seconds"),
        ("redis://host?timeout=0", "timeout='0': expected seconds"),
        ("redis://host?prefix={a}", "expected a name without braces"),
        ("redis://host?prefix=", "expected a name without braces"),
        ("redis://host:many", "[Pp]ort"),
        ("redis://host/abc", "the database is 'abc'; expected its number"),
        ("rediss://me:secret@host/0/1", "the database is '0/1'"),
    ],
)
def test_what_was_expected_is_said(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as raised:
        open_counters(url)
    assert "secret" not in str(raised.value)


def test_relative_and_absolute_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.chdir(tmp_path)
    relative = open_counters("sqlite:///new/counters%201.db", clock=clock)
    assert not (tmp_path / "new").exists(), "nothing is opened before it is asked"
    assert relative.reserve(hold("a", dollars(60))) == Held((Level(0, 60),))
    assert (tmp_path / "new" / "counters 1.db").exists()
    absolute = open_counters(f"sqlite:///{tmp_path}/new/counters%201.db", clock=clock)
    assert absolute.read([dollars(0)]) == (Level(0, 60),)


def test_without_the_extra_it_is_named() -> None:
    program = (
        "import sys; sys.modules['redis'] = None\n"
        "from tollkeeper.storage.counters.opening import open_counters\n"
        "open_counters('memory:')\n"
        "try: open_counters('redis://host')\n"
        "except ValueError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'tollkeeper[redis]'" in done.stdout


def test_redis_is_imported_only_when_it_is_asked_for() -> None:
    program = (
        "import sys\n"
        "from tollkeeper.storage.counters.opening import open_counters\n"
        "open_counters('memory:')\n"
        "assert 'redis' not in sys.modules and 'sqlalchemy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
