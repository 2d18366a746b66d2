"""
The statistics of a run: pure functions on arrays, without pandas and without a word about strategies' names.

`docs/internals/statistics.md` says why each method was chosen, and `tests/analysis/test_statistics.py` simulates how
often its intervals cover the true value. Change a method only together with both.
"""

import string
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]

CONFIDENCE = 0.95
EXACT_ROUNDS = 6
"""From so many rounds on, ranks alone give a 95 % interval; below, it takes Student's t and the belief in a normal."""

LEAST_ROUNDS = 2
"""Without replication there is no interval."""
_DRAWS = 10_000
"""Draws for the probability of being first: its standard error is then 0.005 at most."""


class Interval(NamedTuple):
    """A figure and the ends of its 95 % interval, each of the shape that is left without the axis of the rounds."""

    value: Floats
    low: Floats
    """NaN with one round."""
    high: Floats
    """NaN with one round."""


class Drift(NamedTuple):
    """How a series changes over the order in which it was measured."""

    change: float
    """From the first cell to the last along the Theil-Sen line, in the unit of the series."""
    p: float
    """Of Spearman's rank correlation with the order: small when chance does not explain the change."""


def cost(seconds: Floats) -> Interval:
    """
    Median over rounds of a cost, with its interval.

    From 6 rounds on the interval is the order-statistic interval of the median, interpolated to 95 % (Hettmansperger &
    Sheather 1986): it needs no symmetry. With 2 to 5 rounds it is Student's t on the logarithms.

    :param seconds: positive, of shape (..., rounds); every entry is a round's figure.
    """
    logs = np.sort(np.log(seconds), axis=-1)
    median = np.median(logs, axis=-1)
    rounds = logs.shape[-1]
    low, high = _order_statistics(logs) if rounds >= EXACT_ROUNDS else _student(logs)
    return Interval(np.exp(median), np.exp(low), np.exp(high))


def ratio(numerator: Floats, denominator: Floats) -> Interval:
    """
    Ratio of two costs, paired within rounds, with its interval.

    The figure is the Hodges-Lehmann estimate of the log-ratio. From 6 rounds on the interval is the exact one of
    Wilcoxon's signed ranks: two strategies that do the same have log-ratios symmetric about 0 whatever the noise, for
    their order is random, so it tells them apart in at most 5 % of runs. With 2 to 5 rounds it is Student's t.

    :param numerator: positive seconds, of shape (..., rounds).
    :param denominator: the same rounds of the other strategy, in the same order.
    """
    logs = np.log(numerator) - np.log(denominator)
    rounds = logs.shape[-1]
    first, second = np.triu_indices(rounds)
    means = np.sort((logs[..., first] + logs[..., second]) / 2, axis=-1)
    if rounds >= EXACT_ROUNDS:
        outside = _signed_ranks_outside(rounds)
        low, high = means[..., outside - 1], means[..., -outside]
    else:
        low, high = _student(logs)
    return Interval(np.exp(np.median(means, axis=-1)), np.exp(low), np.exp(high))


def unpaired_ratio(numerator: Floats, denominator: Floats) -> Interval:
    """
    Ratio of two costs of different runs, whose rounds do not belong together, with its interval.

    Yuen's (1974) Welch test on logarithms, turned into an interval: means without the lowest and the highest fifth of
    the rounds, which a few slowed cells do not move, and a variance for each side. Below 6 rounds a side keeps all.
    `docs/internals/comparison.md` has its coverage; it knows only what varied within the runs.

    :param numerator: positive seconds, of shape (..., rounds).
    :param denominator: as many runs, each of its own number of rounds.
    """
    one, variance_of_one, freedom_of_one = _trimmed(np.log(numerator))
    other, variance_of_other, freedom_of_other = _trimmed(np.log(denominator))
    value, variance = one - other, variance_of_one + variance_of_other
    sides = variance_of_one**2 / freedom_of_one + variance_of_other**2 / freedom_of_other
    # Where nothing varied, any freedom will do.
    freedom = np.divide(variance**2, sides, out=np.ones_like(variance), where=sides != 0)
    half = stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * np.sqrt(variance)
    return Interval(np.exp(value), np.exp(value - half), np.exp(value + half))


def reach(low: float, high: float) -> float:
    """
    Return the factor, at least 1, by which the interval of a ratio reaches away from 1 on its farther side.

    Which of two names is the numerator is arbitrary, so noise is judged by the farther side both ways. Without an
    interval (NaN) it is 1.
    """
    return max(1.0, high, 1 / low)


def significantly_different(low: float, high: float, noise: float = 1.0) -> bool:
    """
    Whether the interval of a ratio says that two costs differ.

    They do not where it covers 1, lies within the noise, or is not there.

    :param low: lower end of the interval; NaN where there is none.
    :param high: upper end.
    :param noise: reach of the A/A interval; differences from `1 / noise` to `noise` are noise.
    """
    outside_one = low > 1 or high < 1
    inside_noise = low >= 1 / noise and high <= noise
    return outside_one and not inside_noise


def letters(count: int, differ: Callable[[int, int], bool]) -> list[str]:
    """
    Give letters to items 0 to `count - 1` such that two share one exactly when they do not differ.

    The insert-and-absorb algorithm of Piepho (2004) for compact letter displays. Letters follow the order of the items,
    so item 0 always has "a".

    :param differ: whether items i < j are told apart.
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
    Probability of each strategy being the cheapest, given what the rounds say.

    A bootstrap over whole rounds: each gets one random normal weight for all strategies, and all are scaled by one draw
    of Student's factor. The plain cluster bootstrap resamples so few rounds too little variation: of two equal
    strategies it is twice as often 95 % sure as it should be.

    :param seconds: of shape (rounds, strategies); NaN where a strategy lacks a round.
    :returns: shape (strategies,), with sum 1; None where a strategy has fewer than 2 rounds.
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
    Split log costs into strategies' effects plus rounds' effects, by least squares.

    So a strategy that misses a slow round is not thought cheaper for it.

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
    Change of residuals over the order of execution.

    :param residuals: of shape (cells,), in that order; 3 cells or more, not all equal.
    """
    order = np.arange(len(residuals))
    slope = float(stats.theilslopes(residuals, order).slope)
    return Drift(slope * (len(residuals) - 1), float(stats.spearmanr(order, residuals).pvalue))


def lag_one(residuals: Floats) -> float:
    """
    Autocorrelation of residuals with their predecessors, from -1 to 1.

    :param residuals: of shape (cells,), in order of execution; not all equal.
    """
    centred = residuals - residuals.mean()
    return float(centred[1:] @ centred[:-1] / (centred @ centred))


def spread(residuals: Floats) -> float:
    """Robust standard deviation: the median absolute deviation, scaled to a normal's."""
    return float(stats.median_abs_deviation(residuals, scale="normal"))


def _student(logs: Floats) -> tuple[Floats, Floats]:
    rounds = logs.shape[-1]
    mean = logs.mean(axis=-1)
    if rounds < LEAST_ROUNDS:
        return np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    half = stats.t.ppf((1 + CONFIDENCE) / 2, rounds - 1) * logs.std(axis=-1, ddof=1) / np.sqrt(rounds)
    return mean - half, mean + half


def _trimmed(logs: Floats) -> tuple[Floats, Floats, float]:
    """Return the mean without the outer fifths, its variance by winsorised rounds, and its degrees of freedom."""
    rounds = logs.shape[-1]
    cut = rounds // 5 if rounds >= EXACT_ROUNDS else 0
    kept = np.sort(logs, axis=-1)[..., cut : rounds - cut]
    mean, freedom = kept.mean(axis=-1), kept.shape[-1] - 1
    if rounds < LEAST_ROUNDS:
        return mean, np.full_like(mean, np.nan), np.nan
    squares = np.clip(logs, kept[..., :1], kept[..., -1:]).var(axis=-1) * rounds
    return mean, squares / (freedom * (freedom + 1)), freedom


def _order_statistics(ordered: Floats) -> tuple[Floats, Floats]:
    """Mix the two pairs of order statistics whose exact coverages lie on either side of 95 %."""
    rounds = ordered.shape[-1]
    tail = (1 - CONFIDENCE) / 2
    outer = int(stats.binom.ppf(tail, rounds, 0.5))
    wide, narrow = (1 - 2 * float(stats.binom.cdf(place, rounds, 0.5)) for place in (outer - 1, outer))
    share = (wide - CONFIDENCE) / (wide - narrow)
    inner = (rounds - outer) * share / (outer + (rounds - 2 * outer) * share)
    low = (1 - inner) * ordered[..., outer - 1] + inner * ordered[..., outer]
    high = (1 - inner) * ordered[..., -outer] + inner * ordered[..., -outer - 1]
    return low, high


@cache
def _signed_ranks_outside(rounds: int) -> int:
    """Return which Walsh average from either end bounds an interval of at least 95 %, exactly."""
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
    # Beyond both alphabets any single character will do; only a display of 53 or more tie groups has one.
    return string.ascii_letters[number] if number < len(string.ascii_letters) else chr(0x100 + number)
