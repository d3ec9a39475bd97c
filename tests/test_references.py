"""Secrets are looked up where a reference says, and no complaint shows one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tollkeeper.config.references import LONGEST_FILE, UnresolvedReference, is_unresolved, resolve


def test_a_reference_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERTS_KEY", " secret ")
    (tmp_path / "key").write_text("secret\n")
    assert resolve("env:ALERTS_KEY") == resolve(f"file:{tmp_path}/key") == "secret"
    assert resolve("slack://secret") == "slack://secret"


def test_nothing_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMPTY", "")
    (tmp_path / "empty").touch()
    (tmp_path / "long").write_text("secret" * LONGEST_FILE)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for reference, said in {
        "env:MISSING": "environment variable MISSING is not set",
        "env:EMPTY": "environment variable EMPTY is not set",
        f"file:{tmp_path}/missing": f"file {tmp_path}/missing cannot be read: No such file or directory",
        f"file:{tmp_path}": f"file {tmp_path} cannot be read: Is a directory",
        f"file:{tmp_path}/empty": f"file {tmp_path}/empty is empty",
        f"file:{tmp_path}/long": f"file {tmp_path}/long is too long for a secret",
        f"file:{tmp_path}/binary": f"file {tmp_path}/binary is not UTF-8 text",
    }.items():
        with pytest.raises(UnresolvedReference) as error:
            resolve(reference)
        assert str(error.value) == said and is_unresolved(said)
        assert "secretsecret" not in repr(error.value.__cause__)
