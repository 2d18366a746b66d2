"""A figure with its interval, as a record; the methods are in `bench/analysis/statistics.py`."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.analysis import statistics


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
    return None if np.isnan(figure) else float(figure)


def paired_in(costs: pd.DataFrame, numerator: str, denominator: str) -> Estimate | None:
    """
    Return the ratio of two strategies' costs over the rounds that both have; None if they share no round.

    :param costs: seconds, a row for each round and a column for each strategy; NaN where a cell is missing.
    """
    if numerator not in costs or denominator not in costs:
        return None
    # Arrays, because picking columns from a frame takes ten times as long as the ratio itself.
    one, other = costs[numerator].to_numpy(), costs[denominator].to_numpy()
    both = ~(np.isnan(one) | np.isnan(other))
    return estimate(statistics.ratio(one[both], other[both])) if both.any() else None
