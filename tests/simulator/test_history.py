"""A simulated company's past: the same for the same seed, in order, with all that a ledger is read for."""

from __future__ import annotations

from collections import Counter
from itertools import islice, pairwise

from tollkeeper.simulator.history import LOOPING, past
from tollkeeper.simulator.traffic import DAY

DAYS = 28


def test_a_seed_decides_everything() -> None:
    assert list(islice(past(DAYS, 3), 500)) == list(islice(past(DAYS, 3), 500))
    assert list(islice(past(DAYS, 3), 500)) != list(islice(past(DAYS, 4), 500))


def test_the_company_has_what_a_ledger_is_read_for() -> None:
    made = list(past(DAYS))
    assert all(before.call.at_seconds <= after.call.at_seconds for before, after in pairwise(made))
    of_day = Counter(int(one.call.at_seconds // DAY) for one in made)
    assert set(of_day) == set(range(DAYS))
    assert of_day[5] < of_day[4] / 1.5, "weekends are quiet"
    assert of_day[DAYS - 16] > 1.8 * of_day[DAYS - 17], "a customer imports all that it has"
    ends = [one for one in made if one.session.startswith("agent-loop")]
    assert len(ends) > 200 and {one.call.user for one in ends} == {LOOPING.user}
    assert ends[-1].call.input_tokens > 20 * ends[0].call.input_tokens
    assert any(one.error and one.status == 429 for one in made) and any(one.attempt == 2 for one in made)
    assert any(one.cache_read for one in made) and any(one.cache_write for one in made)
    assert all(one.cache_read + one.cache_write <= one.call.input_tokens for one in made)
    assert all(one.call.output_tokens <= (one.max_tokens or 10**9) for one in made)
    tagged_at = {int(one.call.at_seconds % DAY // 3600) for one in made if one.call.feature == "tagging"}
    assert tagged_at == {1, 2, 3}
