"""Imported by every Python process that has this folder on its path: the clock on the wall jumps, up to a day each way.

As it does where a machine is suspended, or its clock is set right. What runs meanwhile must not lean on it.
"""

import random
import time

LONGEST_JUMP = 24 * 3600 * 10**9
STEADY_SECONDS = 0.3

_true_ns, _monotonic = time.time_ns, time.monotonic
_dice = random.Random()
_state = [0.0, 0]


def _time_ns() -> int:
    if _monotonic() > _state[0]:
        _state[:] = [_monotonic() + _dice.random() * STEADY_SECONDS, _dice.randint(-LONGEST_JUMP, LONGEST_JUMP)]
    return _true_ns() + _state[1]


time.time_ns = _time_ns
time.time = lambda: _time_ns() / 1e9
