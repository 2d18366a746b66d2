"""A figure with its interval, as a record; the methods are in `bench/analysis/statistics.py`."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from bench.analysis import statistics
from bench.analysis.statistics import Floats

Costs = Mapping[str, Mapping[int, float]]
"""Seconds per test by strategy and by the number of the round, in ascending order; none where a cell is missing."""


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval, in the unit of the field that holds it; after one round it has no ends."""

    value: float
    low: float | None
    high: float | None


def paired(numerator: Mapping[int, float], denominator: Mapping[int, float]) -> Estimate | None:
    """
    Return the ratio of two costs over the rounds that both have; None if they share no round.

    :param numerator: seconds by the number of the round.
    :param denominator: the other cost, likewise.
    """
    both = sorted(numerator.keys() & denominator.keys())
    if not both:
        return None
    return estimate(statistics.ratio(*(np.array([one[number] for number in both]) for one in (numerator, denominator))))


def estimate(interval: statistics.Interval) -> Estimate:
    """Return a single interval as a record; ends that are NaN become None."""
    value, low, high = (float(end) for end in interval)
    return Estimate(value, known(low), known(high))


def bounds(found: Estimate | None) -> tuple[float, float]:
    """Return the ends of an interval; NaN if there is none."""
    if found is None or found.low is None or found.high is None:
        return np.nan, np.nan
    return found.low, found.high


def known(figure: float) -> float | None:
    """Return a figure; None for NaN."""
    return None if math.isnan(figure) else float(figure)


def median_known(figures: Iterable[float]) -> float:
    """Return the median of the figures that are not NaN; NaN if there are none."""
    return median([figure for figure in figures if not math.isnan(figure)] or [math.nan])


def paired_in(costs: Costs, numerator: str, denominator: str) -> Estimate | None:
    """Return the ratio of two strategies' costs over the rounds that both have; None if they share no round."""
    return paired(costs.get(numerator, {}), costs.get(denominator, {}))


def rounds_of(costs: Costs) -> list[int]:
    """Return the numbers of the rounds in which any strategy has a cost."""
    return sorted({number for of_strategy in costs.values() for number in of_strategy})


def matrix(costs: Costs, strategies: Sequence[str]) -> Floats:
    """Return costs of shape (rounds, strategies), with a row for each of `rounds_of`; NaN where a cell is missing."""
    rows = [[costs[name].get(number, math.nan) for name in strategies] for number in rounds_of(costs)]
    return np.array(rows, float).reshape(len(rows), len(strategies))
