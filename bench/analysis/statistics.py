"""
The statistics of a run: pure functions on arrays.

`docs/internals/statistics.md` says why each method was chosen, and `tests/analysis/test_statistics.py` simulates how
often its intervals cover the true value. Change a method only together with both.
"""

import string
import warnings
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]

CONFIDENCE = 0.95
EXACT_ROUNDS = 6
"""Fewest rounds for a 95 % interval from ranks alone; with fewer, Student's t assumes a normal distribution."""

LEAST_ROUNDS = 2
"""Fewest rounds for any interval."""
_DRAWS = 10_000
"""Draws for the probability of being first: its standard error is then 0.005 at most."""


class Interval(NamedTuple):
    """A figure and the ends of its 95 % interval, each of the input's shape without the axis of the rounds."""

    value: Floats
    low: Floats
    """NaN with one round."""
    high: Floats
    """NaN with one round."""


class Drift(NamedTuple):
    """How a series changes in the order in which it was measured."""

    change: float
    """From the first cell to the last along the Theil-Sen line, in the unit of the series."""
    p: float
    """Of Spearman's rank correlation with the order."""


def cost(seconds: Floats) -> Interval:
    """
    Median over rounds of a cost, with its interval.

    From 6 rounds on, the interval is the order-statistic interval of the median, interpolated to 95 % (Hettmansperger &
    Sheather 1986), which needs no symmetry. With 2 to 5 rounds it is Student's t on the logarithms.

    :param seconds: positive, of shape (..., rounds): one figure for each round.
    """
    logs = np.sort(np.log(seconds), axis=-1)
    median = np.median(logs, axis=-1)
    rounds = logs.shape[-1]
    low, high = _order_statistics(logs) if rounds >= EXACT_ROUNDS else _student(logs)
    return Interval(np.exp(median), np.exp(low), np.exp(high))


def ratio(numerator: Floats, denominator: Floats) -> Interval:
    """
    Ratio of two costs, paired within rounds, with its interval.

    The figure is the Hodges-Lehmann estimate of the log-ratio. From 6 rounds on, the interval is the exact one of
    Wilcoxon's signed-rank test. The order of strategies is random, so the log-ratios of two equal strategies are
    symmetric about 0 whatever the noise, and at most 5 % of runs find them significantly different. With 2 to 5 rounds
    it is Student's t.

    :param numerator: positive seconds, of shape (..., rounds).
    :param denominator: the same rounds of the other strategy, in the same order.
    """
    logs = np.log(numerator) - np.log(denominator)
    rounds = logs.shape[-1]
    first, second = np.triu_indices(rounds)
    means = np.sort((np.take(logs, first, axis=-1) + np.take(logs, second, axis=-1)) / 2, axis=-1)
    if rounds >= EXACT_ROUNDS:
        outside = _signed_ranks_outside(rounds)
        low, high = means[..., outside - 1], means[..., -outside]
    else:
        low, high = _student(logs)
    middle = (means[..., (means.shape[-1] - 1) // 2] + means[..., means.shape[-1] // 2]) / 2
    return Interval(np.exp(middle), np.exp(low), np.exp(high))


def unpaired_ratio(numerator: Floats, denominator: Floats) -> Interval:
    """
    Ratio of two costs of different runs, whose rounds are not paired, with its interval.

    Yuen's (1974) trimmed Welch t test on logarithms, inverted: it drops the lowest and highest fifth of the rounds, so
    a few slow cells do not matter; a run of fewer than 6 rounds keeps all. `docs/internals/comparison.md` has its
    coverage. It covers only the variation within the runs.

    :param numerator: positive seconds, of shape (..., rounds).
    :param denominator: as many runs, each with its own number of rounds.
    """
    from scipy import stats  # noqa: PLC0415 - its import takes half a second, and only comparisons of runs need it

    one, other = np.log(numerator), np.log(denominator)
    sizes = (one.shape[-1], other.shape[-1])
    # scipy rounds the number to trim down, and a fifth of 5 rounds is 1: slightly less trims none.
    trim = 0.1999 if EXACT_ROUNDS - 1 in sizes else 0.2
    value = stats.trim_mean(one, trim, axis=-1) - stats.trim_mean(other, trim, axis=-1)
    if min(sizes) < LEAST_ROUNDS:
        return Interval(np.exp(value), np.full_like(value, np.nan), np.full_like(value, np.nan))
    # Where nothing varies, scipy divides 0 by 0: the interval has no width.
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        found = stats.ttest_ind(one, other, axis=-1, equal_var=False, trim=trim).confidence_interval(CONFIDENCE)
    low, high = (np.where(np.isnan(end), value, end) for end in found)
    return Interval(np.exp(value), np.exp(low), np.exp(high))


def reach(low: float, high: float) -> float:
    """
    Return the factor, at least 1, by which the interval of a ratio reaches from 1 on its farther side.

    Which of two strategies is the numerator is arbitrary, so both sides count. Without an interval (NaN) it is 1.
    """
    return max(1.0, high, 1 / low)


def significantly_different(low: float, high: float, noise: float = 1.0) -> bool:
    """
    Whether two costs differ significantly: the interval of their ratio excludes 1 and is not within the noise.

    Without an interval they are tied.

    :param low: lower end of the interval; NaN where there is none.
    :param high: upper end.
    :param noise: reach of the A/A interval; ratios from `1 / noise` to `noise` are noise.
    """
    outside_one = low > 1 or high < 1
    inside_noise = low >= 1 / noise and high <= noise
    return outside_one and not inside_noise


def letters(count: int, differ: Callable[[int, int], bool]) -> list[str]:
    """
    Return letters for items 0 to `count - 1`, such that two items share a letter exactly if they are tied.

    The insert-and-absorb algorithm of Piepho (2004) for compact letter displays. Letters follow the order of the items,
    so item 0 always has "a".

    :param differ: whether items i < j are significantly different.
    """
    columns: set[frozenset[int]] = {frozenset(range(count))}
    for i in range(count):
        for j in range(i + 1, count):
            if differ(i, j):
                columns = _without_pair(columns, i, j)
    ordered = sorted(tuple(sorted(column)) for column in columns)
    return ["".join(_letter(n) for n, column in enumerate(ordered) if item in column) for item in range(count)]


def probability_first(seconds: Floats, seed: int) -> Floats | None:
    """
    Return the probability that each strategy is the cheapest.

    A bootstrap over whole rounds: each round gets one random normal weight for all strategies, and one draw of
    Student's factor scales all of them. The plain cluster bootstrap underestimates the variation of so few rounds: for
    two equal strategies it is 95 % sure twice as often as it should be.

    :param seconds: of shape (rounds, strategies); NaN where a strategy lacks a round.
    :returns: shape (strategies,), with sum 1; None if a strategy has fewer than 2 rounds.
    """
    rounds = (~np.isnan(seconds)).sum(axis=0)
    if rounds.size == 0 or rounds.min() < LEAST_ROUNDS:
        return None
    strategies, blocks = additive_effects(seconds)
    residuals = np.nan_to_num(np.log(seconds) - strategies - blocks[:, None])
    freedom = rounds.min() - 1
    random = np.random.default_rng(seed)
    weights = random.standard_normal((_DRAWS, len(seconds)))
    student = np.sqrt(freedom / random.chisquare(freedom, (_DRAWS, 1)))
    drawn = strategies + student * (weights @ residuals) / np.sqrt(rounds * (rounds - 1))
    return np.bincount(drawn.argmin(axis=1), minlength=len(rounds)) / _DRAWS


def additive_effects(seconds: Floats) -> tuple[Floats, Floats]:
    """
    Split log costs into effects of strategies plus effects of rounds, by least squares.

    So a strategy does not look cheaper because it misses a slow round.

    :param seconds: of shape (rounds, strategies); NaN where there is no cell.
    :returns: effects of shape (strategies,), and of shape (rounds,), which sum to 0.
    """
    row, column = np.nonzero(~np.isnan(seconds))
    design = np.hstack([np.eye(seconds.shape[1])[column], np.eye(seconds.shape[0])[row]])
    effects = np.linalg.lstsq(design, np.log(seconds[row, column]), rcond=None)[0]
    strategies, blocks = np.split(effects, [seconds.shape[1]])
    return strategies + blocks.mean(), blocks - blocks.mean()


def drift(residuals: Floats) -> Drift:
    """
    Return the change of residuals in the order of execution.

    :param residuals: of shape (cells,), in that order; 3 cells or more, not all equal.
    """
    last = len(residuals) - 1
    [slope] = theil_sen(np.arange(last + 1), residuals[None])[1]
    _, places, counts = np.unique(residuals, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    correlation = np.corrcoef(np.arange(last + 1), ranks)[0, 1]
    with np.errstate(divide="ignore"):  # a perfect correlation has p = 0
        student = correlation * np.sqrt((last - 1) / ((1 - correlation) * (1 + correlation)))
    return Drift(float(slope) * last, float(2 * special.stdtr(last - 1, -abs(student))))


def theil_sen(values: npt.ArrayLike, seconds: Floats) -> tuple[Floats, Floats]:
    """
    Return intercept and slope of each series' Theil-Sen line (Sen 1968), each of shape (series,).

    The slope is the median of those of all pairs of points, the intercept the median of `seconds - slope * value`. In a
    sweep over tests, the intercept depends mostly on the cells with few tests, which determine it best.

    :param values: two or more, all different, of shape (values,).
    :param seconds: of shape (series, values).
    """
    x = np.asarray(values)
    first, second = np.triu_indices(len(x), 1)
    slopes = np.median((seconds[:, second] - seconds[:, first]) / (x[second] - x[first]), axis=1)
    return np.median(seconds - slopes[:, None] * x, axis=1), slopes


def lag_one(residuals: Floats) -> float:
    """
    Return the autocorrelation of residuals with their predecessors, from -1 to 1.

    :param residuals: of shape (cells,), in order of execution; not all equal.
    """
    centred = residuals - residuals.mean()
    return float(centred[1:] @ centred[:-1] / (centred @ centred))


def spread(residuals: Floats) -> float:
    """Return a robust standard deviation: the median absolute deviation, scaled to a normal's."""
    return float(np.median(np.abs(residuals - np.median(residuals))) / special.ndtri(0.75))


def _student(logs: Floats) -> tuple[Floats, Floats]:
    rounds = logs.shape[-1]
    mean = logs.mean(axis=-1)
    if rounds < LEAST_ROUNDS:
        return np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    half = special.stdtrit(rounds - 1, (1 + CONFIDENCE) / 2) * logs.std(axis=-1, ddof=1) / np.sqrt(rounds)
    return mean - half, mean + half


def _order_statistics(ordered: Floats) -> tuple[Floats, Floats]:
    """Interpolate between the two pairs of order statistics whose exact coverages are just above and below 95 %."""
    rounds = ordered.shape[-1]
    below = special.bdtr(np.arange(rounds), rounds, 0.5)
    outer = int(np.searchsorted(below, (1 - CONFIDENCE) / 2))
    wide, narrow = 1 - 2 * below[outer - 1], 1 - 2 * below[outer]
    share = (wide - CONFIDENCE) / (wide - narrow)
    inner = (rounds - outer) * share / (outer + (rounds - 2 * outer) * share)
    low = (1 - inner) * ordered[..., outer - 1] + inner * ordered[..., outer]
    high = (1 - inner) * ordered[..., -outer] + inner * ordered[..., -outer - 1]
    return low, high


@cache
def _signed_ranks_outside(rounds: int) -> int:
    """Return which Walsh average from either end bounds an exact interval of at least 95 %."""
    ways = np.ones(1)
    for rank in range(1, rounds + 1):
        ways = np.pad(ways, (0, rank)) + np.pad(ways, (rank, 0))
    below = np.cumsum(ways) / 2**rounds
    return int(np.searchsorted(below, (1 - CONFIDENCE) / 2, side="right"))


def _without_pair(columns: set[frozenset[int]], i: int, j: int) -> set[frozenset[int]]:
    """Split the columns that connect i and j, and drop the columns that lie within another."""
    split = {column - {item} for column in columns for item in ((i, j) if {i, j} <= column else (-1,))}
    return {column for column in split if not any(column < other for other in split)}


def _letter(number: int) -> str:
    # Beyond both alphabets, which takes 53 groups of ties, any single character will do.
    return string.ascii_letters[number] if number < len(string.ascii_letters) else chr(0x100 + number)
