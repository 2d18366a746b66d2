"""
The stopping rule of a run: pure functions on the costs so far.

A rule that tests after every round and stops at the first significant difference finds too many. So this rule treats
two strategies as different only at 99.9 % confidence, although the analysis uses 95 %. `tests/measure/test_stopping.py`
simulates the error rates that remain, and docs/internals/statistics.md shows them. If you change a threshold, update
both.
"""

import functools
import itertools
import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from bench.strategy.declaration import FLOOR, TWIN

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

Costs = dict[str, dict[int, float]]
"""Strategy -> round -> seconds per test."""

APART = 0.999
"""The confidence of interim analyses after Haybittle (1971) and Peto (1976); the final one keeps its 95 %."""
CONFIDENCE = 0.95
EQUAL_WITHIN = 0.05
"""The share by which costs may differ and still count as equal."""
FAR = math.log(1.2)

FEWEST_TO_JUDGE = 3
"""With fewer rounds no pair is settled."""

SLOW = 1.5
"""A strategy is slow if its cell takes this many times as long as the median cell."""


@dataclass(frozen=True)
class Limits:
    """The least and the greatest number of timed rounds, and the time limit."""

    fewest: int
    most: int
    seconds: float = math.inf
    """Time limit in seconds: no round starts that would exceed it, even if there are fewer than `fewest`."""

    @property
    def fixed(self) -> bool:
        """Whether the user chose the number of rounds, so that there is nothing to decide."""
        return self.fewest == self.most


def all_settled(costs: Costs) -> bool:
    """Whether every two strategies that are neighbours in cost are known to differ, or to be equal within 5 %."""
    return all(settled(_logs(costs[a], costs[b])) for a, b in itertools.pairwise(_by_cost(costs)))


def resting(costs: Costs, seconds: Mapping[str, float]) -> set[str]:
    """
    Return the strategies that need not run again, because they are slow and far from both neighbours in every round.

    :param seconds: how long each strategy's last cell took.
    """
    order = _by_cost(costs)
    typical = statistics.median(seconds[name] for name in order) if order else 0
    near = {name for a, b in itertools.pairwise(order) if not _far(_logs(costs[a], costs[b])) for name in (a, b)}
    return {
        name
        for name in order
        if name != FLOOR and name not in near and len(costs[name]) >= FEWEST_TO_JUDGE and seconds[name] > SLOW * typical
    }


def settled(logs: Floats) -> Booleans:
    """
    Whether pairs of strategies need no further round: significantly different, equal within 5 %, or far apart.

    A strategy that is far from its neighbours may rest, and its pairs get no further round. So they count as settled.

    :param logs: log-ratios of the two costs within rounds, of shape (..., rounds).
    :returns: of shape (...).
    """
    low, high = _interval(logs, CONFIDENCE)
    margin = math.log1p(EQUAL_WITHIN)
    equal = (low > -margin) & (high < margin)
    low, high = _interval(logs, APART)
    apart = (low > 0) | (high < 0)
    return np.asarray(equal | apart | _far(logs))


def _by_cost(costs: Costs) -> list[str]:
    return sorted((name for name in costs if name != TWIN), key=lambda name: statistics.median(costs[name].values()))


def _logs(a: Mapping[int, float], b: Mapping[int, float]) -> Floats:
    """Return the log-ratio of the costs in each round that has both."""
    return np.array([math.log(b[number] / a[number]) for number in a.keys() & b.keys()])


def _far(logs: Floats) -> Booleans:
    """Whether one cost at least 20 % more than the other in every round, and the difference is significant."""
    low, high = _interval(logs, CONFIDENCE)
    dearer, cheaper = (logs > FAR).all(axis=-1), (logs < -FAR).all(axis=-1)
    return np.asarray((dearer & (low > 0)) | (cheaper & (high < 0)))


def _interval(logs: Floats, confidence: float) -> tuple[Floats, Floats]:
    """Return Student's t interval of the mean log-ratio; it is infinite if there are too few rounds."""
    rounds = logs.shape[-1]
    if rounds < FEWEST_TO_JUDGE:
        return np.full(logs.shape[:-1], -np.inf), np.full(logs.shape[:-1], np.inf)
    mean = logs.mean(axis=-1)
    half = _quantile(confidence, rounds) * logs.std(axis=-1, ddof=1) / math.sqrt(rounds)
    return mean - half, mean + half


@functools.cache
def _quantile(confidence: float, rounds: int) -> float:
    # The quantile of Student's t. `scipy.stats.t.ppf` is the same, but its import takes half a second.
    return float(special.stdtrit(rounds - 1, (1 + confidence) / 2))
