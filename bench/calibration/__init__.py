"""
Checks of the harness itself: whether it measures known delays correctly, and what its recorder costs.

The modules `delayed_*` are strategies: `savepoint_rollback` with a known delay. One test in four is not delayed, so
every delayed test has an undelayed neighbour of its own shape in the same process.
"""

import random
import time

from bench.workload import SHAPES

DELAYS = (0.0, 0.002, 0.005, 0.020)
"""Seconds. The first is the baseline for the others."""

PAUSE = 0.020
"""
Seconds that every test waits in addition to its delay.

A Postgres that was idle for some milliseconds answers the next statements up to 1 ms later than a busy one. The pause
makes it idle before every test, whatever the delay.
"""

GROUP = len(DELAYS) * len(SHAPES)
"""Number of consecutive tests in which each shape occurs once with each delay."""

SESSION_DELAY = 0.5
"""Seconds that the fixture of session scope waits before the first test, and again after the last."""


def delay_of(n: int) -> float:
    """
    Return the seconds by which test number `n` is delayed.

    The order within a group is random but fixed, so the delay correlates neither with the position in the process nor
    with the previous test.
    """
    place, shape = divmod(n % GROUP, len(SHAPES))
    order = random.Random(f"group {n // GROUP}, shape {shape}")  # noqa: S311 - a reproducible order, not a secret
    return order.sample(DELAYS, len(DELAYS))[place]


def wait(n: int) -> None:
    """Wait for the pause and the delay of test number `n`."""
    spin(PAUSE + delay_of(n))


def spin(seconds: float) -> None:
    """Keep the processor busy for that long. A sleep would end late and let the processor slow down."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass
