"""
How long a whole suite takes under each strategy, over its number of tests, and where two of them break even.

Uses the lines that `bench/analysis/scaling.py` fits. `docs/internals/scaling.md` gives the method and its reasons:
change both together.
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
"""A break-even beyond so many tests helps nobody."""

_TESTS = np.geomspace(1, MOST_TESTS, 2001)
"""Where total times are compared: steps of 0.6 %, below what two significant digits show."""

_EVERY = 40
"""Of these, what a total shows: ten numbers of tests per decade."""


@dataclass(frozen=True)
class BreakEven:
    """A suite of fewer tests takes less time under one strategy, a longer one under the other."""

    below: str
    above: str
    tests: Estimate
    """Between the ends of the interval the two are not told apart."""


@dataclass(frozen=True)
class Total:
    """How long a suite takes under a strategy, over its number of tests: by a straight line, where not measured."""

    strategy: str
    tests: tuple[float, ...]
    """From 1 to `MOST_TESTS`, the same for all."""
    seconds: tuple[Estimate, ...]
    """One for each of `tests`, as `faster`."""
    faster: tuple[frozenset[str], ...]
    """Strategies whose suite of so many tests takes less time, and is told apart."""


@dataclass(frozen=True)
class Fit:
    """A line of each round: fixed seconds and seconds per test, both of shape (rounds,)."""

    rounds: list[int]
    fixed: Floats
    per_test: Floats


@dataclass(frozen=True)
class TotalsPair:
    """The total times of one strategy beside those of another, at every number of `_TESTS`."""

    ratio: Floats
    apart: npt.NDArray[np.bool_]
    """Whether they are told apart."""


def compare_totals(fits: Mapping[str, Fit], equals: statistics.Interval | None) -> dict[tuple[str, str], TotalsPair]:
    """
    Compare the total times of all pairs at every number of tests.

    :param equals: the ratio of the twin's total times to the floor's; what lies inside its interval is noise.
    """
    noise = [1.0] * len(_TESTS) if equals is None else list(map(statistics.reach, equals.low, equals.high))
    pairs = {}
    for one, other in permutations(fits, 2):
        if (ratio := compare_lines(fits[one], fits[other])) is not None:
            apart = np.array(list(map(statistics.significantly_different, ratio.low, ratio.high, noise)))
            pairs[one, other] = TotalsPair(ratio.value, apart)
    return pairs


def break_evens(pairs: Mapping[tuple[str, str], TotalsPair]) -> tuple[BreakEven, ...]:
    """Return where the order of two strategies turns round, fewest tests first."""
    found = []
    for (below, above), pair in pairs.items():
        before, after = _TESTS[pair.apart & (pair.ratio < 1)], _TESTS[pair.apart & (pair.ratio > 1)]
        if before.size and after.size and before[-1] < after[0]:
            even = _TESTS[(before[-1] < _TESTS) & (pair.ratio >= 1)][0]
            found.append(BreakEven(below, above, Estimate(float(even), float(before[-1]), float(after[0]))))
    return tuple(sorted(found, key=lambda one: one.tests.value))


def totals(fits: Mapping[str, Fit], pairs: Mapping[tuple[str, str], TotalsPair]) -> Iterator[Total]:
    """Yield how long suites take under each strategy whose line stays above 0."""
    tests = _TESTS[::_EVERY]
    for name, fit in fits.items():
        if _above_zero(fit):
            seconds = statistics.cost(fit.fixed + fit.per_test * tests[:, None])
            slower = {other: pair.apart & (pair.ratio > 1) for (one, other), pair in pairs.items() if one == name}
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
    """Whether there is a line, in every round above 0: one below says that the sweep does not know the fixed cost."""
    return bool(fit.rounds) and min(fit.fixed.min(), fit.per_test.min()) > 0


def compare_lines(one: Fit | None, other: Fit | None) -> statistics.Interval | None:
    """
    Return the ratio of two strategies' total times at every number of `_TESTS`, paired within rounds.

    None where they share no round, or where a line that runs below 0 says that the sweep does not know the fixed cost.
    """
    if one is None or other is None or not (both := sorted({*one.rounds} & {*other.rounds})):
        return None
    lines = [[(fit.fixed[i], fit.per_test[i]) for i in map(fit.rounds.index, both)] for fit in (one, other)]
    fixed, per_test = np.moveaxis(np.array(lines), -1, 0)
    if min(fixed.min(), per_test.min()) <= 0:
        return None
    seconds = fixed[:, None] + per_test[:, None] * _TESTS[:, None]
    return statistics.ratio(seconds[0], seconds[1])
