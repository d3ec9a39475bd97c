from __future__ import annotations

from decimal import Decimal, localcontext

from tollkeeper.model import Cost


def test_nano_dollars_are_rounded_half_to_even() -> None:
    amounts = ("0.0000000005", "0.0000000015", "1.2345678914")
    assert [Cost(Decimal(usd), "catalog").nano_usd for usd in amounts] == [0, 2, 1_234_567_891]


def test_the_host_programs_decimal_context_does_not_matter() -> None:
    with localcontext() as context:
        context.prec = 3
        assert Cost(Decimal("12.345678912"), "catalog").nano_usd == 12_345_678_912
