"""
The instrument's own checks: known delays that must be found, and what the recorder costs.

The modules `delayed_*` are strategies that do the work of `savepoint_rollback` and add a known delay. One test in
four is not delayed, so that every delayed test has an undelayed neighbour of its own shape in the same process.
"""

import random
import time

from bench.workload import SHAPES

DELAYS = (0.0, 0.002, 0.005, 0.020)
"""Seconds. The first is none: what the others are compared with."""

PAUSE = 0.020
"""
Seconds that every test waits, whatever its delay, which comes on top.

A Postgres that was left alone for some milliseconds answers the next statements up to 1 ms later than one that was
just asked. With the pause that is so in every test, and does not go with the delay.
"""

GROUP = len(DELAYS) * len(SHAPES)
"""So many tests in a row have each shape once with each delay."""

SESSION_DELAY = 0.5
"""Seconds, of the fixture of session scope: before the first test, and again after the last."""


def delay_of(n: int) -> float:
    """
    Return the seconds by which test number `n` is delayed.

    The order within a group is random, but always the same: neither the place in the process nor the test that went
    before goes with the delay.
    """
    place, shape = divmod(n % GROUP, len(SHAPES))
    order = random.Random(f"group {n // GROUP}, shape {shape}")  # noqa: S311 - an order to be repeated, not a secret
    return order.sample(DELAYS, len(DELAYS))[place]


def wait(n: int) -> None:
    """Wait as long as test number `n` does."""
    spin(PAUSE + delay_of(n))


def spin(seconds: float) -> None:
    """Keep the processor busy for so long: a sleep would end late, and let the processor slow down."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass
