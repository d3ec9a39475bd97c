"""Who waits gets a turn: tenants one after the other, and each tenant's calls in order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.capture.turns import Turns

QUEUE = "limit"


def served(turns: Turns, waiting: list[tuple[str, str]]) -> list[str]:
    """The ids in the order in which they have their turn."""
    order = []
    while waiting:
        (tenant, id), *_ = [each for each in waiting if turns.place(QUEUE, *each) == 0]
        turns.leave(QUEUE, tenant, id, went=True)
        waiting.remove((tenant, id))
        order.append(id)
    return order


def test_a_tenant_with_many_calls_does_not_hold_up_the_others() -> None:
    turns = Turns()
    waiting = [("many", f"m{n}") for n in range(4)] + [("few", "f0"), ("one", "o0"), ("few", "f1")]
    for each in waiting:
        assert turns.join(QUEUE, *each)
    assert served(turns, waiting) == ["m0", "f0", "o0", "m1", "f1", "m2", "m3"]
    assert not turns.is_waited_for(QUEUE)


@given(st.lists(st.sampled_from("abcd"), max_size=30))
def test_places_are_the_order_in_which_all_are_served(tenants: list[str]) -> None:
    turns = Turns()
    waiting = [(tenant, f"{number}") for number, tenant in enumerate(tenants)]
    for each in waiting:
        turns.join(QUEUE, *each)
    told = {id: turns.place(QUEUE, tenant, id) for tenant, id in waiting}
    assert sorted(told.values()) == list(range(len(tenants)))
    assert served(turns, waiting) == sorted(told, key=lambda id: told[id])


def test_who_gives_up_does_not_take_the_turn_of_its_tenant() -> None:
    turns = Turns()
    for each in (("a", "a0"), ("a", "a1"), ("b", "b0")):
        turns.join(QUEUE, *each)
    turns.leave(QUEUE, "a", "a0", went=False)
    assert turns.place(QUEUE, "a", "a1") == 0
    assert turns.place(QUEUE, "b", "b0") == 1


def test_a_queue_has_an_end() -> None:
    turns = Turns(most=2)
    assert turns.join(QUEUE, "a", "1")
    assert turns.join(QUEUE, "b", "2")
    assert not turns.join(QUEUE, "c", "3")
    assert turns.join("another", "c", "3")
