"""
How long a whole suite takes under each strategy, by number of tests, and where two strategies break even.

Tables, charts and break-evens all use `SuiteLine`, which `bench/analysis/scaling.py` makes from cells.
`docs/internals/scaling.md` explains the methods: change both together.
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
class SuiteLine:
    """How long a suite takes under a strategy: in each round, a fixed cost plus a cost for each test."""

    by_round: dict[int, tuple[float, float]]
    """Fixed seconds and seconds per test, by the number of the round; empty if they are not known."""

    @property
    def fixed(self) -> Floats:
        """Fixed seconds, of shape (rounds,)."""
        return np.array([fixed for fixed, _ in self.by_round.values()])

    @property
    def per_test(self) -> Floats:
        """Seconds per test, of shape (rounds,)."""
        return np.array([per_test for _, per_test in self.by_round.values()])

    @property
    def is_positive(self) -> bool:
        """Whether there is a line and it is above 0 in every round; otherwise the fixed cost is not known."""
        return bool(self.by_round) and min(self.fixed.min(), self.per_test.min()) > 0

    def seconds(self, tests: npt.ArrayLike) -> Floats:
        """Return the seconds that suites of these numbers of tests take in each round, of shape (..., rounds)."""
        return np.asarray(self.fixed + np.multiply.outer(tests, self.per_test), float)

    def totals(self, tests: npt.ArrayLike) -> statistics.Interval:
        """Return the seconds that suites of these numbers of tests take, of the shape of `tests`."""
        return statistics.cost(self.seconds(tests))

    def ratio(self, other: "SuiteLine") -> statistics.Interval | None:
        """
        Return the ratio of this line to another at every number of `_TESTS`, paired within rounds.

        None where they share no round, or where a line falls below 0, so that the fixed cost is not known.
        """
        both = sorted(self.by_round.keys() & other.by_round.keys())
        one, two = (SuiteLine({number: line.by_round[number] for number in both}) for line in (self, other))
        if not (one.is_positive and two.is_positive):
            return None
        return statistics.ratio(one.seconds(_TESTS), two.seconds(_TESTS))


@dataclass(frozen=True)
class TotalsPair:
    """The total times of two strategies compared, at every number of `_TESTS`."""

    ratio: Floats
    significant: npt.NDArray[np.bool_]
    """Whether the two are significantly different."""


def compare_totals(
    lines: Mapping[str, SuiteLine], equals: statistics.Interval | None
) -> dict[tuple[str, str], TotalsPair]:
    """
    Compare the total times of all pairs of strategies, in both orders, at every number of tests.

    :param equals: the ratio of the twin's total times to the floor's; differences inside its interval are noise.
    """
    noise = [1.0] * len(_TESTS) if equals is None else list(map(statistics.reach, equals.low, equals.high))
    pairs: dict[tuple[str, str], TotalsPair] = {}
    for one, other in permutations(lines, 2):
        if back := pairs.get((other, one)):
            pairs[one, other] = TotalsPair(1 / back.ratio, back.significant)
        elif (ratio := lines[one].ratio(lines[other])) is not None:
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


def totals(lines: Mapping[str, SuiteLine], pairs: Mapping[tuple[str, str], TotalsPair]) -> Iterator[Total]:
    """Yield the total times of each strategy whose line is above 0 in every round."""
    tests = _TESTS[::_EVERY]
    for name, line in lines.items():
        if line.is_positive:
            slower = {other: pair.significant & (pair.ratio > 1) for (one, other), pair in pairs.items() if one == name}
            yield Total(
                strategy=name,
                tests=tuple(tests.tolist()),
                seconds=tuple(estimate(statistics.Interval(*ends)) for ends in zip(*line.totals(tests), strict=True)),
                faster=tuple(
                    frozenset(other for other, where in slower.items() if where[place])
                    for place in range(0, len(_TESTS), _EVERY)
                ),
            )
