"""The digest of prompts: only where it is asked for, the same for the same prompt, and nothing of the text in it."""

from __future__ import annotations

import json
import re

import pytest

import tollkeeper
from capture.asking import Asking, askings, plain, stream
from capture.bench import Bench, Records, Way, simulate
from tollkeeper.capture.prompt_digest import PromptDigest
from tollkeeper.telemetry.attributes import PROMPT_DIGEST

KEY = "a key of the office's own"
ONE = {"model": "gpt-4o", "messages": [{"role": "user", "content": "the secret of the house"}], "temperature": 0}


@pytest.mark.parametrize(("way", "action"), [each for each in askings(plain) if not each.values[0].is_async])
async def test_every_sdk_has_the_same_digest_for_the_same_prompt(way: Way, action: Asking, records: Records) -> None:
    with simulate(way.surface) as simulator, records.watching(way.surface.package, hash_prompts=KEY):
        bench = Bench(way, simulator.url)
        await action(bench)
        await stream(bench)
        records.flush()
    digests = {call.parameters[PROMPT_DIGEST] for call in records.calls}
    assert len(digests) == 1 and re.fullmatch("[0-9a-f]{32}", digests.pop())


async def test_it_is_off_and_no_text_is_kept(records: Records) -> None:
    ways = {parameter.values[0].surface.name: parameter.values[0] for parameter in askings(plain)}
    way = next(iter(ways.values()))
    with simulate(way.surface) as simulator, records.watching(way.surface.package):
        await plain(Bench(way, simulator.url))
        records.flush()
    assert all(PROMPT_DIGEST not in call.parameters for call in records.calls)


def test_what_is_asked_makes_the_digest_and_nothing_else() -> None:
    digest = PromptDigest(KEY)
    found = digest.of(ONE)
    assert found is not None and re.fullmatch("[0-9a-f]{32}", found)
    for same in ({**ONE, "stream": True, "user": "u-1"}, {**ONE, "model": "gpt-4o-mini"}, dict(reversed(ONE.items()))):
        assert digest.of(same) == found
    for other in ({**ONE, "temperature": 1}, {**ONE, "messages": [*ONE["messages"], {"role": "user"}]}):  # type: ignore[misc]
        assert digest.of(other) != found
    assert PromptDigest("another key of sixteen").of(ONE) != found, "without the key nobody can try texts"
    assert digest.of({"file": object()}) is None and digest.of({"model": "gpt-4o"}) is None
    assert not any(word in found for word in json.dumps(ONE).split())


def test_a_key_that_is_too_short_is_refused() -> None:
    with pytest.raises(tollkeeper.ConfigurationError, match="16 characters at the least") as told:
        tollkeeper.instrument(hash_prompts="short")
    assert "short" not in str(told.value)
