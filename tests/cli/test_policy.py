"""`tollkeeper policy`: a file's limits or its mistakes, and presets that can be pasted."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tollkeeper.cli.main import main
from tollkeeper.model import Match, Window
from tollkeeper.policy import Policy
from tollkeeper.policy.document import read_json, read_policy, read_toml
from tollkeeper.policy.presets import PRESETS, limits_of_preset

EXAMPLE = Path(__file__).parents[2] / "examples" / "policy.toml"


def test_a_sound_policy_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "check", str(EXAMPLE)]) == 0
    shown, errors = capsys.readouterr()
    assert errors == ""
    rows = [re.split(r" {2,}", line.strip()) for line in shown.splitlines() if line.strip()]
    assert rows[0] == ["Name", "Limit", "Calls", "When exceeded", "Told at %", "Days of"]
    assert rows[2] == ["usd-day", "$80 / day", "every call but ollama/*", "deny", "50 80 95 100", "Europe/Berlin"]
    by_name = {row[0]: row[1:] for row in rows[3:]}
    assert by_name["usd-week"][:3] == ["$300 / week", "every call", "deny"]
    assert by_name["requests-rolling-minute-per-user"][1:3] == ["every call", "wait 5s"]
    assert "60 requests / rolling minute burst" in shown
    assert by_name["experiments"][1:3] == ["stage=experiment", "warn"]
    assert rows[-1] == ["acme 2026-11: 9 limits"]


def rows_of(shown: str) -> list[list[str]]:
    return [re.split(r" {2,}", line.strip()) for line in shown.splitlines() if line.strip() and "──" not in line]


def test_ladders_and_what_else_there_is_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "policy.toml"
    emergency = '[emergency]\nmodels = { "gpt-*" = "gpt-4.1-nano" }\ntokens = 128\nshed = ["low", "normal"]\n'
    emergency += 'throttle = "5 requests / minute per tenant"\n'
    file.write_text((EXAMPLE.parent / "ladder.toml").read_text() + emergency)
    assert main(["policy", "check", str(file)]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert rows[2:] == [
        ["As it fills", "From %", "Done", "How"],
        ["daily", "10", "alert"],
        ["daily", "20", "cheaper", "gpt-4o → gpt-4o-mini"],
        ["daily", "40", "cap_output", "8 output tokens at the most"],
        ["daily", "50", "shed", "low"],
        ["daily", "70", "throttle", "1 request / day per feature"],
        ["daily", "90", "deny"],
        ["In an emergency", "How"],
        ["cheaper", "gpt-* → gpt-4.1-nano"],
        ["cap_output", "128 output tokens at the most"],
        ["shed", "normal, low"],
        ["throttle", "5 requests / minute per tenant"],
        ["policy: 1 limit, 1 ladder, an emergency"],
    ]
    assert main(["policy", "check", str(EXAMPLE.parent / "failover.toml")]) == 0
    rows = rows_of(capsys.readouterr().out)
    fallback = rows.index(["If these fail", "Asked instead", "When"])
    assert rows[fallback + 1 :] == [
        ["house/*", "gpt-4o-mini", "5xx, 429, timeout, connection, open_circuit"],
        ["Endpoint", "At", "Provider", "Speaks", "Key in"],
        ["house", "http://127.0.0.1:9/v1", "house", "openai"],
        ["Class", "Models"],
        ["good", "gpt-4o, claude-opus-4-5, house:house-model-7b"],
        ["policy: 3 limits, 1 ladder, 1 fallback"],
    ]


def test_the_example_says_what_its_comments_do() -> None:
    limits = {limit.name: limit for limit in read_policy(EXAMPLE.read_bytes(), EXAMPLE.name).limits}
    assert limits["usd-day"].amount == 80_000_000_000 and limits["usd-day"].exempt == (Match(("ollama",)),)
    assert limits["usd-month"].window == Window("month", "Europe/Berlin")
    assert limits["requests-rolling-minute-per-user"].window == Window("minute", rolling=True, burst=10)
    assert limits["concurrency-per-tenant"].wait == 30
    assert limits["dear models"].on_unavailable == "deny" and limits["dear models"].per == ("project", "model")
    assert limits["dear models"].binds("openai", "gpt-5-mini", "chat", {})
    assert not limits["dear models"].binds("openai", "gpt-4o", "chat", {})
    assert limits["experiments"].mode == "soft"


def test_a_policy_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "check", str(EXAMPLE), "--json"]) == 0
    written = capsys.readouterr().out
    assert read_json(written, "stdout") == read_policy(EXAMPLE.read_bytes(), EXAMPLE.name)
    file = tmp_path / "policy.json"
    file.write_text(written)
    assert main(["policy", "check", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(written)


def test_targets_that_cannot_do_what_is_meant_are_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "policy.toml"
    budget, calls = '[[limit]]\nname = "d"\nlimit = "$5 / day"\n', '[[limit]]\nname = "d"\nlimit = "9 requests / day"\n'
    ladder = '[[ladder]]\nlimit = "d"\nsteps = [{ at = 50, do = "cheaper", models = { "gpt-4o" = "MODEL" } }]\n'

    def warned(text: str) -> list[str]:
        file.write_text(text)
        assert main(["policy", "check", str(file)]) == 0
        # A terminal's lines are as long as it is wide.
        _, *warnings = " ".join(capsys.readouterr().out.split()).split("Warning: ")
        return warnings

    assert warned(budget + ladder.replace("MODEL", "gpt-4o-mini")) == []
    (unpriced,) = warned(budget + ladder.replace("MODEL", "no-such-model"))
    assert unpriced.startswith("ladder of 'd', at 50 %: 'no-such-model' is in no price list: ")
    assert warned(calls + ladder.replace("MODEL", "no-such-model")) == []
    assert warned(calls + ladder.replace("MODEL", "llama3:8b")) == []
    (nowhere,) = warned(calls + '[[fallback]]\nto = ["groq:llama-3.3-70b-versatile"]\n')
    assert nowhere.startswith("fallback: 'groq:llama-3.3-70b-versatile' is asked of the call's own provider")
    endpoint = '[[endpoint]]\nname = "groq"\nbase_url = "https://api.groq.com/openai/v1"\nprovider = "groq"\n'
    assert warned(budget + endpoint + '[[fallback]]\nto = ["groq:llama-3.3-70b-versatile"]\n') == []


def test_all_mistakes_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('[policy]\nnmae = "x"\n\n[[limit]]\nlimit = "$10 / dya"\nmode = "sotf"\n')
    assert main(["policy", "check", str(file)]) == 2
    shown, errors = capsys.readouterr()
    assert shown == ""
    assert errors.splitlines() == [
        f"{file}:2: policy.nmae: 'x'; expected a known field; did you mean 'name'?",
        f"{file}:5: limit[0].limit: '$10 / dya'; expected 'day' in place of 'dya'",
        f"{file}:6: limit[0].mode: 'sotf'; expected 'soft'",
    ]


def test_a_file_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file, why in ((tmp_path / "none.toml", "No such file"), (tmp_path, "Is a directory")):
        assert main(["policy", "check", str(file)]) == 2
        assert capsys.readouterr().err.startswith(f"tollkeeper policy: {file}: {why}")


def test_a_policy_without_limits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "policy.toml"
    file.write_text("# to come\n")
    assert main(["policy", "check", str(file)]) == 0
    assert capsys.readouterr().out == "policy: no limits: every call is sent\n"


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_policy_file(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "presets", name]) == 0
    assert read_toml(capsys.readouterr().out, name) == Policy(name, limits_of_preset(name))


def test_all_presets_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "presets"]) == 0
    shown = capsys.readouterr().out
    blocks = re.split(r"(?m)^(?=# )", shown)[1:]
    assert [read_toml(block, "stdout") for block in blocks] == [
        Policy(name, limits_of_preset(name)) for name in PRESETS
    ]


def test_no_such_preset(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["policy", "presets", "huge"])
    assert raised.value.code == 2
    assert "'low', 'medium', 'high', 'enterprise', 'seed'" in capsys.readouterr().err
