"""
When a run knows enough: pure functions on the costs so far.

Looking after every round and stopping at the first difference would find differences that are not there, so a pair
counts as apart here only at 99.5 %, while the analysis says 95 %; docs/statistics.md says what that leaves open.
"""

import itertools
import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from scipy import stats

from bench.strategy import FLOOR, TWIN

Costs = dict[str, dict[int, float]]
"""Strategy -> round -> seconds per test."""

APART = 0.995
EQUAL = 0.95
EQUAL_WITHIN = math.log(1.05)

FEWEST_BEFORE_REST = 3
FAR = math.log(1.2)
SLOW = 1.5
"""A strategy is slow if its cell takes so many times the median cell's time."""


@dataclass(frozen=True)
class Limits:
    """How many timed rounds there should be at least, and may be at most."""

    fewest: int
    most: int
    seconds: float = math.inf
    """No round is begun that would end later than so many seconds after the start; it may cut `fewest` short."""

    @property
    def fixed(self) -> bool:
        """Whether the number of rounds was asked for, so that nothing is to be decided."""
        return self.fewest == self.most


def verdict(costs: Costs) -> str:
    """Say that every neighbouring pair is apart, or equal within 5 %; empty where one is neither."""
    if all(_apart(costs[a], costs[b]) or _equal(costs[a], costs[b]) for a, b in itertools.pairwise(_by_cost(costs))):
        return "every neighbouring pair is apart, or equal within 5 %"
    return ""


def resting(costs: Costs, seconds: Mapping[str, float]) -> set[str]:
    """
    Return the strategies that need not run again: slow, and in every round far from both neighbours.

    :param seconds: how long each strategy's last cell took.
    """
    order = _by_cost(costs)
    typical = statistics.median(seconds[name] for name in order) if order else 0
    pairs = list(itertools.pairwise(order))
    return {
        name
        for name in order
        if name != FLOOR
        and len(costs[name]) >= FEWEST_BEFORE_REST
        and seconds[name] > SLOW * typical
        and all(_far(costs[a], costs[b]) for a, b in pairs if name in (a, b))
    }


def _by_cost(costs: Costs) -> list[str]:
    return sorted((name for name in costs if name != TWIN), key=lambda name: statistics.median(costs[name].values()))


def _far(a: Mapping[int, float], b: Mapping[int, float]) -> bool:
    """Whether b cost at least a fifth more than a in every round that both have, and the rounds suffice to say so."""
    low, _ = _interval(b, a, EQUAL)
    return low > 0 and all(math.log(b[number] / a[number]) > FAR for number in a.keys() & b.keys())


def _apart(a: Mapping[int, float], b: Mapping[int, float]) -> bool:
    low, high = _interval(a, b, APART)
    return low > 0 or high < 0


def _equal(a: Mapping[int, float], b: Mapping[int, float]) -> bool:
    low, high = _interval(a, b, EQUAL)
    return low > -EQUAL_WITHIN and high < EQUAL_WITHIN


def _interval(a: Mapping[int, float], b: Mapping[int, float], confidence: float) -> tuple[float, float]:
    """Student's t interval of the log-ratio, paired within the rounds that both have."""
    logs = [math.log(a[number] / b[number]) for number in a.keys() & b.keys()]
    if len(logs) < FEWEST_BEFORE_REST:
        return -math.inf, math.inf
    half = stats.t.ppf((1 + confidence) / 2, len(logs) - 1) * statistics.stdev(logs) / math.sqrt(len(logs))
    mean = statistics.mean(logs)
    return mean - half, mean + half
