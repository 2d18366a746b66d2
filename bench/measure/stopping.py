"""
When a run knows enough: pure functions on the costs so far.

Looking after every round and stopping at the first difference would find differences that are not there, so a pair
counts as apart here only at 99.9 %, while the analysis says 95 %. `tests/measure/test_stopping.py` simulates what that
leaves, and docs/internals/statistics.md has its table. Change a threshold only together with both.
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
"""The confidence of Haybittle (1971) and Peto (1976) for looks before the last one, which keeps its 95 %."""
CONFIDENCE = 0.95
EQUAL_WITHIN = 0.05
"""The share by which costs may differ and still count as equal."""
FAR = math.log(1.2)

FEWEST_TO_JUDGE = 3
"""With fewer rounds nothing is said of a pair."""

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


def all_settled(costs: Costs) -> bool:
    """Whether every two strategies that are neighbours in cost are known to differ, or to be equal within 5 %."""
    return all(settled(_logs(costs[a], costs[b])) for a, b in itertools.pairwise(_by_cost(costs)))


def resting(costs: Costs, seconds: Mapping[str, float]) -> set[str]:
    """
    Return the strategies that need not run again: slow, and in every round far from both neighbours.

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
    Whether pairs need no further round: apart, equal within 5 %, or far.

    A pair that lets a strategy rest is far, and must count here: it gets no further round that could settle it.

    :param logs: log-ratios of two strategies within rounds, of shape (..., rounds).
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
    """Return the log-ratio of the costs in each round that both have."""
    return np.array([math.log(b[number] / a[number]) for number in a.keys() & b.keys()])


def _far(logs: Floats) -> Booleans:
    """Whether one cost at least a fifth more than the other in every round, and the rounds suffice to say so."""
    low, high = _interval(logs, CONFIDENCE)
    dearer, cheaper = (logs > FAR).all(axis=-1), (logs < -FAR).all(axis=-1)
    return np.asarray((dearer & (low > 0)) | (cheaper & (high < 0)))


def _interval(logs: Floats, confidence: float) -> tuple[Floats, Floats]:
    """Student's t interval of the mean log-ratio; endless where there are too few rounds."""
    rounds = logs.shape[-1]
    if rounds < FEWEST_TO_JUDGE:
        return np.full(logs.shape[:-1], -np.inf), np.full(logs.shape[:-1], np.inf)
    mean = logs.mean(axis=-1)
    half = _quantile(confidence, rounds) * logs.std(axis=-1, ddof=1) / math.sqrt(rounds)
    return mean - half, mean + half


@functools.cache
def _quantile(confidence: float, rounds: int) -> float:
    # Of Student's t. SciPy's `stats` has it by its name, and takes half a second to import, in every command.
    return float(special.stdtrit(rounds - 1, (1 + confidence) / 2))
