"""Of what has one cause one is told, and it stays the one that was told first."""

from __future__ import annotations

from tollkeeper.insight.anomaly.anomaly import Anomaly, Contributor
from tollkeeper.insight.anomaly.folding import at_stake, cause_of, folded, hours_of, key_of, leader_of
from tollkeeper.insight.series import Metric, calendar

USD = 10**9


def spike(
    scope: dict[str, str], metric: Metric = "spend", actual: float = 30 * USD, start: int = 0, **changes: object
) -> Anomaly:
    plain = Anomaly(
        "spike", metric, scope, "hour", start, start + 10, actual, 2 * USD, 0, 4 * USD, 9, round(actual) - 2 * USD,
        "warning",
    )  # fmt: skip
    return plain._replace(**changes)


CHAT, ACME, ALL = {"feature": "chat"}, {"tenant": "acme"}, dict[str, str]()


def test_the_narrowest_is_told_and_money_before_what_it_is_made_of() -> None:
    several = [
        spike(ALL),
        spike(ACME),
        spike(CHAT),
        spike(CHAT, "requests"),
        spike(CHAT, "tokens"),
        spike(ALL, "tokens"),
    ]
    (one,) = folded(several)
    assert one.anomaly == several[2]
    assert len(one.also) == 5
    assert folded([]) == []


def test_other_excesses_times_families_and_directions_stay_apart() -> None:
    chat = spike(CHAT)
    for other in (
        spike(ACME, actual=90 * USD),
        spike(CHAT, start=10),
        spike(CHAT, "error_rate"),
        spike(ACME, "latency"),
        spike(CHAT, score=-9),
        spike({"feature": "search"}),
    ):
        assert len(folded([chat, other])) == 2, other
    assert len(folded([spike(CHAT, "latency"), spike({"provider": "openai"}, "latency")])) == 1


def test_what_is_known_stays_what_is_told() -> None:
    (one,) = folded([spike(CHAT), spike(ACME)], known={key_of(spike(ACME))})
    assert one.anomaly.scope == ACME
    assert [each.scope for each in one.also] == [CHAT]


def test_a_part_of_a_greater_excess_has_a_leader() -> None:
    chat = spike(CHAT)
    of = Contributor("feature", "chat", 6 * USD, USD, 5 * USD, 0.95, 5 * USD, 0, 0)
    user = spike({"user": "ada"}, actual=7 * USD, contributors=(of,))
    assert leader_of(user, [user, chat]) == chat
    assert leader_of(chat, [user, chat]) is None
    assert leader_of(user._replace(contributors=(of._replace(share=0.5),)), [user, chat]) is None
    assert leader_of(user, [chat._replace(start=100, end=200)]) is None
    assert leader_of(user, [chat._replace(metric="tokens")]) is None
    assert leader_of(user, [chat._replace(excess_nano_usd=USD)]) is None


def test_a_loop_that_was_told_of_is_not_told_of_again_by_the_hour() -> None:
    loop = spike({"session": "s"}, kind="runaway", step=None, start=5, end=7)
    loops = [(loop, {"user": "ada", "tenant": "acme"})]
    assert cause_of(spike(ACME), loops) == loop
    assert cause_of(spike(ACME, "tokens"), loops) == loop
    assert cause_of(spike(ALL), loops) == loop
    assert cause_of(spike({"tenant": "globex"}), loops) is None
    assert cause_of(spike(ACME, "error_rate"), loops) is None
    assert cause_of(spike(ACME, start=10), loops) is None
    assert cause_of(spike(ACME, score=-9), loops) is None


def test_an_hour_that_makes_the_day_was_told_of() -> None:
    day = spike(ACME, step="day", start=0, end=240, actual=40 * USD)
    hour = spike(ACME, actual=35 * USD)
    assert hours_of(day, [hour]) == hour
    assert hours_of(day, [spike(ACME, actual=20 * USD)]) is None
    assert hours_of(day, [spike(CHAT, actual=35 * USD)]) is None
    assert hours_of(day, [hour._replace(start=240, end=250)]) is None


def test_what_is_at_stake_is_the_money_of_its_intervals() -> None:
    hour = 3600 * USD
    days = calendar(0, 10 * hour, "hour", "UTC")
    spend = days.series({3 * hour: 5.0 * USD, 4 * hour: 2.0 * USD}, {})
    two = spike(CHAT, "tokens", start=3 * hour, end=5 * hour)
    assert at_stake(two, spend) == 7 * USD
    assert at_stake(two._replace(start=7 * hour, end=8 * hour), spend) is None, "it has no price"
    fewer = two._replace(start=5 * hour, end=6 * hour, score=-9)
    assert at_stake(fewer, spend) == 7 * USD / 5
