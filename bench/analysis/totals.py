"""
How long a whole suite takes under each strategy, by number of tests, and where two strategies break even.

It uses the lines that `bench/analysis/scaling.py` fits. `docs/internals/scaling.md` explains the methods: change both
together.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import numpy.typing as npt

from bench.analysis import statistics
from bench.analysis.estimates import Estimate, estimate
from bench.analysis.statistics import Floats

MOST_TESTS = 100_000
"""No suite is larger, so no break-even is looked for beyond."""

_TESTS = np.geomspace(1, MOST_TESTS, 2001)
"""Numbers of tests at which total times are compared, in steps of 0.6 %: finer than two significant digits show."""

_EVERY = 40
"""A `Total` has every 40th of these: ten numbers of tests per decade."""


@dataclass(frozen=True)
class BreakEven:
    """The number of tests at which the faster of two strategies changes."""

    below: str
    """The faster strategy for suites of fewer tests."""
    above: str
    """The faster strategy for suites of more tests."""
    tests: Estimate
    """Between the ends of the interval the two are tied."""


@dataclass(frozen=True)
class Total:
    """How long a suite takes under a strategy, by number of tests, along the fitted line."""

    strategy: str
    tests: tuple[float, ...]
    """From 1 to `MOST_TESTS`, the same for all strategies."""
    seconds: tuple[Estimate, ...]
    """For each of `tests`."""
    faster: tuple[frozenset[str], ...]
    """For each of `tests`: the strategies that are significantly faster."""


@dataclass(frozen=True)
class Fit:
    """A line for each round: fixed seconds and seconds per test, both of shape (rounds,)."""

    rounds: list[int]
    fixed: Floats
    per_test: Floats


@dataclass(frozen=True)
class TotalsPair:
    """The total times of two strategies compared, at every number of `_TESTS`."""

    ratio: Floats
    significant: npt.NDArray[np.bool_]
    """Whether the two are significantly different."""


def compare_totals(fits: Mapping[str, Fit], equals: statistics.Interval | None) -> dict[tuple[str, str], TotalsPair]:
    """
    Compare the total times of all pairs of strategies at every number of tests.

    :param equals: the ratio of the twin's total times to the floor's; differences inside its interval are noise.
    """
    noise = [1.0] * len(_TESTS) if equals is None else list(map(statistics.reach, equals.low, equals.high))
    pairs = {}
    for one, other in permutations(fits, 2):
        if (ratio := compare_lines(fits[one], fits[other])) is not None:
            significant = np.array(list(map(statistics.significantly_different, ratio.low, ratio.high, noise)))
            pairs[one, other] = TotalsPair(ratio.value, significant)
    return pairs


def break_evens(pairs: Mapping[tuple[str, str], TotalsPair]) -> tuple[BreakEven, ...]:
    """Return where the order of two strategies reverses, fewest tests first."""
    found = []
    for (below, above), pair in pairs.items():
        before, after = _TESTS[pair.significant & (pair.ratio < 1)], _TESTS[pair.significant & (pair.ratio > 1)]
        if before.size and after.size and before[-1] < after[0]:
            even = _TESTS[(before[-1] < _TESTS) & (pair.ratio >= 1)][0]
            found.append(BreakEven(below, above, Estimate(float(even), float(before[-1]), float(after[0]))))
    return tuple(sorted(found, key=lambda even: even.tests.value))


def totals(fits: Mapping[str, Fit], pairs: Mapping[tuple[str, str], TotalsPair]) -> Iterator[Total]:
    """Yield the total times of each strategy whose line is above 0 in every round."""
    tests = _TESTS[::_EVERY]
    for name, fit in fits.items():
        if _above_zero(fit):
            seconds = statistics.cost(fit.fixed + fit.per_test * tests[:, None])
            slower = {other: pair.significant & (pair.ratio > 1) for (one, other), pair in pairs.items() if one == name}
            yield Total(
                strategy=name,
                tests=tuple(tests.tolist()),
                seconds=tuple(estimate(statistics.Interval(*ends)) for ends in zip(*seconds, strict=True)),
                faster=tuple(
                    frozenset(other for other, where in slower.items() if where[place])
                    for place in range(0, len(_TESTS), _EVERY)
                ),
            )


def _above_zero(fit: Fit) -> bool:
    """Whether there is a line, and it is above 0 in every round; otherwise the fixed cost is not known."""
    return bool(fit.rounds) and min(fit.fixed.min(), fit.per_test.min()) > 0


def compare_lines(one: Fit | None, other: Fit | None) -> statistics.Interval | None:
    """
    Return the ratio of two strategies' total times at every number of `_TESTS`, paired within rounds.

    None where they share no round, or where a line falls below 0, so that the fixed cost is not known.
    """
    if one is None or other is None or not (both := sorted({*one.rounds} & {*other.rounds})):
        return None
    lines = [[(fit.fixed[i], fit.per_test[i]) for i in map(fit.rounds.index, both)] for fit in (one, other)]
    fixed, per_test = np.moveaxis(np.array(lines), -1, 0)
    if min(fixed.min(), per_test.min()) <= 0:
        return None
    seconds = fixed[:, None] + per_test[:, None] * _TESTS[:, None]
    return statistics.ratio(seconds[0], seconds[1])
