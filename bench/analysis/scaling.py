"""
How cost scales with the number of tests, tables and rows of a sweep.

Cells are reduced to a few figures as they are read, so memory does not grow with the number of tests.
`docs/internals/scaling.md` explains the methods: change both together. `bench/analysis/totals.py` derives total times
from the fitted lines.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

import numpy as np

from bench.analysis import statistics
from bench.analysis.cell_figures import CellFigures, figures_of
from bench.analysis.estimates import Estimate, bounds, estimate, paired
from bench.analysis.findings import NotRanked, Reason
from bench.analysis.statistics import Floats
from bench.analysis.totals import BreakEven, SuiteLine, Total, break_evens, compare_totals, totals
from bench.results.records import WARM_UP, Cell, Run, Size
from bench.strategy.declaration import FLOOR, TWIN

Factor = Literal["tests", "tables", "rows"]
FACTORS: tuple[Factor, ...] = ("tests", "tables", "rows")
"""What a sweep varies, one at a time."""

FLAT_WITHIN = 1.25
"""A cost is flat if its interval covers 1 and reaches no farther than this factor."""
FEWEST_VALUES = 2
"""A line needs two points."""


class Trend(StrEnum):
    """How a cost changes from the smallest value of a sweep to another."""

    GROWS = "grows"
    FALLS = "falls"
    FLAT = "flat"
    UNKNOWN = "not known"
    """Tied, but the interval is too wide to call it flat."""


@dataclass(frozen=True)
class FittedLine:
    """Wall time of the process by number of tests: a fixed cost, and a cost per test."""

    strategy: str
    not_ranked: Reason | None
    """`FLOOR` or `LEAKS`: the strategy does not compete."""
    fixed: Estimate
    """Seconds at 0 tests; may be negative if the fixed cost is small compared to the noise of the largest cell."""
    per_test: Estimate
    """Seconds."""
    phases_fixed: float
    """Seconds of start-up, collection, session fixtures and shutdown, at the fewest tests."""
    phases_per_test: float
    """Seconds of setup, call and teardown, the mean over tests, at the most tests."""
    fixed_off: Estimate
    """Share by which `fixed` exceeds `phases_fixed`, within rounds."""
    per_test_off: Estimate
    """Share by which `per_test` exceeds `phases_per_test`, within rounds."""


@dataclass(frozen=True)
class Point:
    """The cost per test at one value of a sweep."""

    value: int
    per_test: Estimate | None
    """Seconds; None where the strategy has no figure."""
    ratio: Estimate | None
    """To the cost at the smallest value, paired within rounds."""


@dataclass(frozen=True)
class CostCurve:
    """The cost per test of a strategy by number of tables, or of rows."""

    strategy: str
    not_ranked: Reason | None
    """As in `FittedLine`."""
    points: tuple[Point, ...]
    """One for each value of the sweep, smallest first."""
    slope: Estimate | None
    """Seconds per test and table, or per test and row."""


@dataclass(frozen=True)
class MissingFigure:
    """A size at which a strategy has no figure."""

    strategy: str
    factor: Factor | None
    """The number in which the size differs from the base; None for the base itself."""
    value: int
    """Of the factor."""
    trouble: NotRanked | None
    """The first trouble; None where no round finished."""
    troubled: int
    """Rounds with trouble."""
    rounds: int
    """Rounds that were run."""


@dataclass(frozen=True)
class MissingLine:
    """A strategy without a line over a factor, because no round has all of its sizes."""

    strategy: str
    factor: Factor


@dataclass(frozen=True)
class Scaling:
    """Everything that a report shows of a sweep. A run without a sweep has only break-evens and totals."""

    lines: tuple[FittedLine, ...]
    """Cheapest test first, then strategies that do not compete."""
    curves: dict[Factor, tuple[CostCurve, ...]]
    """For tables and rows, if they were swept; in the same order."""
    break_evens: tuple[BreakEven, ...]
    """Between strategies that compete, fewest tests first."""
    noise: float
    """Reach of the A/A interval at the base size: ratios from `1 / noise` to `noise` are noise."""
    missing: tuple[MissingFigure | MissingLine, ...]
    totals: tuple[Total, ...] = ()
    """Of strategies that compete and whose line is above 0; cheapest test first."""


@dataclass(frozen=True)
class _Strategy:
    """The figures of a strategy's timed cells, by size and round."""

    name: str
    cells: dict[Size, dict[int, CellFigures]]

    @property
    def not_ranked(self) -> Reason | None:
        if self.name == FLOOR:
            return Reason.FLOOR
        leaks = any(cell.leaked for rounds in self.cells.values() for cell in rounds.values())
        return Reason.LEAKS if leaks else None

    def rounds(self, size: Size) -> dict[int, CellFigures]:
        """Return the rounds of a size; none if any of them had trouble."""
        rounds = self.cells.get(size, {})
        return {} if any(_trouble(cell) for cell in rounds.values()) else rounds

    def usable(self, sizes: Sequence[Size]) -> tuple[list[Size], list[int]]:
        """Return the sizes that have figures, and the rounds that have all of these sizes."""
        sizes = [size for size in sizes if self.rounds(size)]
        rounds = set[int]().union(*map(self.rounds, sizes)).intersection(*map(self.rounds, sizes))
        return sizes, sorted(rounds)


def analyse_scaling(run: Run, cells: Iterable[Cell | CellFigures]) -> Scaling:
    """
    Analyse how cost scales over the sizes of a run, under its first condition; cells may be missing or unfinished.

    If a strategy has two cells of one size in one round, as after a resume, the later one counts. A strategy has no
    figure at a size if, in any timed round, a test failed or the cell did not finish.

    :param cells: in the order in which they ran, or their figures.
    """
    base, axes = run.workload.size, {factor: _axis(run, factor) for factor in FACTORS}
    everyone = _by_strategy(run, (cell for cell in figures_of(cells) if not cell.condition))
    shown = sorted((one for name, one in everyone.items() if name != TWIN), key=lambda one: _place(one, base))
    swept = {factor: sizes for factor, sizes in axes.items() if len(sizes) >= FEWEST_VALUES}
    suites = {name: _suite_line(one, axes["tests"]) for name, one in everyone.items()}
    ranked = [one for one in shown if not one.not_ranked and one.usable(axes["tests"])[0] == axes["tests"]]
    competing = {one.name: suites[one.name] for one in ranked}
    pairs = compare_totals(competing, suites[TWIN].ratio(suites[FLOOR]) if {TWIN, FLOOR} <= suites.keys() else None)
    return Scaling(
        lines=tuple(_lines(shown, suites, axes["tests"])) if "tests" in swept else (),
        curves={
            factor: tuple(_curve(one, factor, sizes) for one in shown)
            for factor, sizes in swept.items()
            if factor != "tests"
        },
        break_evens=break_evens(pairs),
        noise=_noise(everyone, base),
        missing=tuple(_missing(shown, swept, base)),
        totals=tuple(totals(competing, pairs)),
    )


def suite_lines(run: Run, cells: Iterable[CellFigures]) -> dict[str, SuiteLine]:
    """
    Return how long suites take under each strategy, by its name.

    :param cells: of one condition, in the order in which they ran.
    """
    sizes = _axis(run, "tests")
    return {name: _suite_line(one, sizes) for name, one in _by_strategy(run, cells).items()}


def trend_of(ratio: Estimate, noise: float) -> Trend:
    """
    Return how a cost changes.

    :param ratio: of the cost at one value to that at a smaller one.
    :param noise: as in `Scaling`.
    """
    if statistics.significantly_different(*bounds(ratio), noise):
        return Trend.GROWS if ratio.value > 1 else Trend.FALLS
    precise = ratio.low is not None and statistics.reach(*bounds(ratio)) <= FLAT_WITHIN
    return Trend.FLAT if precise else Trend.UNKNOWN


# --- from cells to figures


def _by_strategy(run: Run, cells: Iterable[CellFigures]) -> dict[str, _Strategy]:
    everyone = {facts.name: _Strategy(facts.name, {}) for facts in run.strategies if not facts.is_trap}
    for cell in cells:
        # A server that died says nothing about the strategy.
        if cell.strategy in everyone and cell.round != WARM_UP and (not cell.stopped or cell.stopped.is_own_fault):
            everyone[cell.strategy].cells.setdefault(cell.size, {})[cell.round] = cell
    return everyone


def _axis(run: Run, factor: Factor) -> list[Size]:
    """Return the base and the sizes that differ from it in this factor alone, smallest first."""
    base = run.workload.size
    sizes = {size for size in run.workload.sweep if replace(size, **{factor: getattr(base, factor)}) == base}
    return sorted({base, *sizes}, key=lambda size: int(getattr(size, factor)))


def _trouble(cell: CellFigures) -> NotRanked | None:
    """Return why a cell does not count; None if it does. A test that found leaked rows did its work, so it counts."""
    if cell.stopped:
        return NotRanked(Reason.STOPPED, cell=cell.stopped)
    tests = cell.size.tests
    if cell.tests < tests:
        return NotRanked(Reason.MISSING_TESTS, tests - cell.tests, tests)
    if cell.failed:
        error = next((error for error, _ in cell.failures.most_common(1)), None)
        return NotRanked(Reason.FAILURES, cell.failed, tests, error=error)
    return None


def _costs(strategy: _Strategy, size: Size) -> dict[int, float]:
    """Return the cost per test in each round."""
    return {number: cell.per_test for number, cell in strategy.rounds(size).items()}


def _place(strategy: _Strategy, base: Size) -> tuple[bool, float]:
    costs = _costs(strategy, base)
    return bool(strategy.not_ranked), float(np.median(list(costs.values()))) if costs else np.inf


# --- from figures to lines and curves


def _suite_line(strategy: _Strategy, axis: Sequence[Size]) -> SuiteLine:
    """
    Fit a line over the number of tests to the wall times of each round.

    Without a sweep it is the fixed cost plus the cost per test of the main table. That is a median, so what the first
    tests of a process cost once is not multiplied by the number of tests.
    """
    sizes, rounds = strategy.usable(axis)
    cells = {number: [strategy.cells[size][number] for size in sizes] for number in rounds}
    if len(axis) < FEWEST_VALUES:
        return SuiteLine({number: (cell.fixed, cell.per_test) for number, (cell,) in cells.items()})
    if len(sizes) < FEWEST_VALUES or not rounds:
        return SuiteLine({})
    walls = np.array([[cell.wall for cell in row] for row in cells.values()])
    fixed, per_test = statistics.theil_sen([size.tests for size in sizes], walls)
    return SuiteLine(dict(zip(rounds, zip(fixed.tolist(), per_test.tolist(), strict=True), strict=True)))


def _lines(shown: Iterable[_Strategy], suites: Mapping[str, SuiteLine], axis: Sequence[Size]) -> Iterator[FittedLine]:
    for strategy in shown:
        line, (sizes, rounds) = suites[strategy.name], strategy.usable(axis)
        if line.by_round:
            fixed = np.array([strategy.cells[sizes[0]][number].fixed for number in rounds])
            per_test = np.array([strategy.cells[sizes[-1]][number].mean_per_test for number in rounds])
            yield FittedLine(
                strategy=strategy.name,
                not_ranked=strategy.not_ranked,
                fixed=_centre(line.fixed),
                per_test=_centre(line.per_test),
                phases_fixed=float(np.median(fixed)),
                phases_per_test=float(np.median(per_test)),
                fixed_off=_centre(line.fixed / fixed - 1),
                per_test_off=_centre(line.per_test / per_test - 1),
            )


def _curve(strategy: _Strategy, factor: Factor, axis: Sequence[Size]) -> CostCurve:
    sizes, rounds = strategy.usable(axis)
    values = [int(getattr(size, factor)) for size in sizes]
    seconds = np.array([[strategy.cells[size][number].per_test for size in sizes] for number in rounds])
    smallest = _costs(strategy, axis[0])
    points = []
    for size in axis:
        costs = _costs(strategy, size)
        per_test = estimate(statistics.cost(np.array(list(costs.values())))) if costs else None
        points.append(Point(int(getattr(size, factor)), per_test, paired(costs, smallest)))
    slope = _centre(statistics.theil_sen(values, seconds)[1]) if rounds and len(sizes) >= FEWEST_VALUES else None
    return CostCurve(strategy.name, strategy.not_ranked, tuple(points), slope)


def _noise(everyone: Mapping[str, _Strategy], base: Size) -> float:
    ratio = paired(*(_costs(everyone[name], base) if name in everyone else {} for name in (TWIN, FLOOR)))
    return 1.0 if ratio is None else statistics.reach(*bounds(ratio))


def _missing(
    shown: Iterable[_Strategy], swept: Mapping[Factor, Sequence[Size]], base: Size
) -> Iterator[MissingFigure | MissingLine]:
    factors = {size: factor for factor, sizes in swept.items() for size in sizes}
    for strategy in shown:
        for size, factor in factors.items():
            rounds = strategy.cells.get(size, {})
            troubles = [*filter(None, map(_trouble, rounds.values()))]
            if troubles or not rounds:
                yield MissingFigure(
                    strategy=strategy.name,
                    factor=None if size == base else factor,
                    value=getattr(size, factor),
                    trouble=troubles[0] if troubles else None,
                    troubled=len(troubles),
                    rounds=len(rounds),
                )
        for factor, axis in swept.items():
            sizes, rounds_of_all = strategy.usable(axis)
            if len(sizes) >= FEWEST_VALUES and not rounds_of_all:
                yield MissingLine(strategy.name, factor)


def _centre(figures: Floats) -> Estimate:
    """
    Return the median over rounds, with its interval, of figures that may be 0 or negative.

    The method is that of `statistics.cost`. It takes logarithms, so it is given exponentials of the figures, scaled so
    that they do not overflow.
    """
    scale = float(np.abs(figures).max()) or 1.0
    return estimate(statistics.Interval(*(np.log(end) * scale for end in statistics.cost(np.exp(figures / scale)))))
