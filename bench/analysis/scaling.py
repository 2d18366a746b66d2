"""
From the cells of a sweep to how cost grows with tests, tables and rows.

Every cell is reduced to a few figures as it is read, so memory does not grow with the number of tests.
`docs/internals/scaling.md` gives the methods and their reasons: change both together. `bench/analysis/totals.py` has
the times of whole suites, `bench/report/scaling_text.py` the English.
"""

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal

import numpy as np

from bench.analysis import statistics
from bench.analysis.estimates import Estimate, bounds, estimate, paired
from bench.analysis.statistics import Floats
from bench.analysis.totals import BreakEven, Fit, Total, break_evens, compare_lines, compare_totals, totals
from bench.results.records import ERROR, FAILED, LEAKED, WARM_UP, Cell, Run, Size
from bench.strategy.declaration import FLOOR, TWIN

Factor = Literal["tests", "tables", "rows"]
FACTORS: tuple[Factor, ...] = ("tests", "tables", "rows")
"""What a sweep varies, one at a time."""

FLAT_WITHIN = 1.25
"""A cost is flat where its growth may be none, and is at most this factor: beyond, too little is known."""
FEWEST_VALUES = 2
"""Through one point goes any line."""


@dataclass(frozen=True)
class Line:
    """The process's wall time over the number of tests: a fixed cost, and a cost per test."""

    strategy: str
    mark: str
    """Why the strategy does not compete: `floor` or `leaks`; else empty."""
    fixed: Estimate
    """Seconds at no test. May come out below 0 where the fixed cost is small beside the noise of the largest cell."""
    per_test: Estimate
    """Seconds."""
    phases_fixed: float
    """Seconds of start-up, collection, session fixtures and shutdown, with the fewest tests."""
    phases_per_test: float
    """Seconds of setup, call and teardown, the mean over tests, with the most tests."""
    fixed_off: Estimate
    """The share by which `fixed` lies above the phases' figure, from both within each round."""
    per_test_off: Estimate
    """The same of `per_test`."""


@dataclass(frozen=True)
class Point:
    """The cost per test at one value of what was swept."""

    value: int
    per_test: Estimate | None
    """Seconds; None where the strategy has no figure."""
    ratio: Estimate | None
    """To the cost at the smallest value, paired within rounds."""


@dataclass(frozen=True)
class Course:
    """How a strategy's cost per test runs over tables, or over rows."""

    strategy: str
    mark: str
    """As in `Line`."""
    points: tuple[Point, ...]
    """One per value of the sweep, smallest first."""
    slope: Estimate | None
    """Seconds per test and table, or per test and row."""


@dataclass(frozen=True)
class Growth:
    """All that a report shows of a sweep. Of a run without one, the break-evens alone."""

    lines: tuple[Line, ...]
    """Cheapest test first, then those that do not compete."""
    courses: dict[Factor, tuple[Course, ...]]
    """Of tables and of rows, where they were swept; in the same order."""
    break_evens: tuple[BreakEven, ...]
    """Between strategies that compete, fewest tests first."""
    noise: float
    """Reach of the A/A interval at the base size: ratios from `1 / noise` to `noise` are noise."""
    missing: tuple[str, ...]
    """One sentence for each figure that could not be had."""
    totals: tuple[Total, ...] = ()
    """Of strategies that compete and have a line that stays above 0; cheapest test first."""


@dataclass(frozen=True)
class _Figures:
    """What is kept of a cell. Times are seconds; NaN where there was nothing to measure."""

    wall: float
    fixed: float
    median: float
    mean: float
    leaked: bool
    trouble: str


@dataclass(frozen=True)
class _Strategy:
    """A strategy and what is kept of its timed cells, by size and round."""

    name: str
    cells: dict[Size, dict[int, _Figures]]

    @property
    def mark(self) -> str:
        if self.name == FLOOR:
            return "floor"
        return "leaks" if any(cell.leaked for rounds in self.cells.values() for cell in rounds.values()) else ""

    def rounds(self, size: Size) -> dict[int, _Figures]:
        """Return the rounds of a size; none where any of them had trouble."""
        rounds = self.cells.get(size, {})
        return {} if any(cell.trouble for cell in rounds.values()) else rounds

    def usable(self, sizes: Sequence[Size]) -> tuple[list[Size], list[int]]:
        """Return the sizes that have figures, and the rounds that have all of these."""
        sizes = [size for size in sizes if self.rounds(size)]
        rounds = set[int]().union(*map(self.rounds, sizes)).intersection(*map(self.rounds, sizes))
        return sizes, sorted(rounds)


def grow(run: Run, cells: Iterable[Cell]) -> Growth:
    """
    Say how cost grows over the sizes of a run; cells may be missing, crashed or stopped by their time limit.

    It is the first condition's cells that grow. Where a strategy has two of one size in one round, as after a resume,
    the later one counts. A strategy has no figure at a size where, in any timed round, a test failed or the cell did
    not finish.

    :param cells: in the order in which they ran; they are read one at a time.
    """
    base, axes = run.workload.size, {factor: _axis(run, factor) for factor in FACTORS}
    everyone = {facts.name: _Strategy(facts.name, {}) for facts in run.strategies if not facts.is_trap}
    for cell in cells:
        if cell.condition or cell.strategy not in everyone or cell.round == WARM_UP:
            continue
        # A server that died says nothing of the strategy: as if the cell had not run.
        if cell.status != "server died":
            everyone[cell.strategy].cells.setdefault(cell.size, {})[cell.round] = _reduce(cell)
    shown = sorted((one for name, one in everyone.items() if name != TWIN), key=lambda one: _place(one, base))
    swept = {factor: sizes for factor, sizes in axes.items() if len(sizes) >= FEWEST_VALUES}
    fits = {name: _fit(one, axes["tests"]) for name, one in everyone.items()}
    competing = {one.name: fits[one.name] for one in shown if _competes(one, axes["tests"])}
    pairs = compare_totals(competing, compare_lines(fits.get(TWIN), fits.get(FLOOR)))
    return Growth(
        lines=tuple(_lines(shown, fits, axes["tests"])) if "tests" in swept else (),
        courses={
            factor: tuple(_course(one, factor, sizes) for one in shown)
            for factor, sizes in swept.items()
            if factor != "tests"
        },
        break_evens=break_evens(pairs),
        noise=_noise(everyone, base),
        missing=tuple(_missing(shown, swept, base)),
        totals=tuple(totals(competing, pairs)),
    )


def kind_of_growth(ratio: Estimate, noise: float) -> Literal["grows", "falls", "flat", "not known"]:
    """
    Say how a cost runs; that it is flat only where a growth would have been seen.

    :param ratio: of the cost at one value to that at a smaller one.
    :param noise: as in `Growth`.
    """
    if statistics.significantly_different(*bounds(ratio), noise):
        return "grows" if ratio.value > 1 else "falls"
    return "flat" if ratio.low is not None and statistics.reach(*bounds(ratio)) <= FLAT_WITHIN else "not known"


# --- from cells to figures


def _axis(run: Run, factor: Factor) -> list[Size]:
    """Return the sizes that differ from the base in this number alone, and the base; smallest first."""
    base = run.workload.size
    sizes = {base, *(size for size in run.workload.sweep if _with(size, factor, getattr(base, factor)) == base)}
    return sorted(sizes, key=lambda size: int(getattr(size, factor)))


def _with(size: Size, factor: Factor, value: int) -> Size:
    return replace(size, **{factor: value})


def _reduce(cell: Cell) -> _Figures:
    return _Figures(
        wall=cell.wall,
        fixed=cell.fixed,
        median=np.nan if cell.cost is None else cell.cost,
        mean=fmean(cell.per_test) if cell.per_test else np.nan,
        leaked=LEAKED in cell.samples.outcomes,
        trouble=_trouble(cell),
    )


def _trouble(cell: Cell) -> str:
    """Say why a cell counts for nothing; empty when it does count. A leak is no trouble: the test did its work."""
    if cell.status != "finished":
        what = "its cell crashed" if cell.status == "crashed" else "its cell ran out of time"
        return what + (f": {cell.detail.rstrip('.')}" if cell.detail else "")
    tests, samples = cell.size.tests, cell.samples
    if len(samples.outcomes) < tests:
        return f"{tests - len(samples.outcomes)} of {tests} tests did not run"
    failed = [
        index for index, outcome in zip(samples.failure, samples.outcomes, strict=True) if outcome in (FAILED, ERROR)
    ]
    example = "".join(
        f": {cell.failures[index].type}: {cell.failures[index].message}" for index in failed[:1] if index >= 0
    )
    return f"{len(failed)} of {tests} tests failed{textwrap.shorten(example, 160, placeholder='...')}" if failed else ""


def _costs(strategy: _Strategy, size: Size) -> dict[int, float]:
    """Return the cost per test of each round."""
    return {number: cell.median for number, cell in strategy.rounds(size).items()}


def _place(strategy: _Strategy, base: Size) -> tuple[bool, float]:
    costs = _costs(strategy, base)
    return bool(strategy.mark), float(np.median(list(costs.values()))) if costs else np.inf


def _competes(strategy: _Strategy, sizes: Sequence[Size]) -> bool:
    return not strategy.mark and strategy.usable(sizes)[0] == sizes


# --- from figures to growth


def _fit(strategy: _Strategy, axis: Sequence[Size]) -> Fit:
    """Fit a line over the number of tests to each round; without a sweep, the phases alone give it."""
    sizes, rounds = strategy.usable(axis)
    cells = [[strategy.cells[size][number] for size in sizes] for number in rounds]
    if len(axis) < FEWEST_VALUES:
        return Fit(rounds, np.array([one.fixed for (one,) in cells]), np.array([one.mean for (one,) in cells]))
    if len(sizes) < FEWEST_VALUES or not rounds:
        return Fit([], np.empty(0), np.empty(0))
    walls = np.array([[cell.wall for cell in row] for row in cells])
    fixed, per_test = _theil_sen([size.tests for size in sizes], walls)
    return Fit(rounds, fixed, per_test)


def _theil_sen(values: Sequence[int], seconds: Floats) -> tuple[Floats, Floats]:
    """
    Return intercept and slope of each round's Theil-Sen line (Sen 1968), each of shape (rounds,).

    The intercept is the median of what the slope leaves of each cell, so it rests on the cells with few tests, which
    know it best.

    :param values: two or more, all different, of shape (values,).
    :param seconds: of shape (rounds, values).
    """
    x = np.array(values)
    first, second = np.triu_indices(len(x), 1)
    slopes = np.median((seconds[:, second] - seconds[:, first]) / (x[second] - x[first]), axis=1)
    return np.median(seconds - slopes[:, None] * x, axis=1), slopes


def _lines(shown: Iterable[_Strategy], fits: Mapping[str, Fit], axis: Sequence[Size]) -> Iterator[Line]:
    for strategy in shown:
        fit, (sizes, _) = fits[strategy.name], strategy.usable(axis)
        if fit.rounds:
            fixed = np.array([strategy.cells[sizes[0]][number].fixed for number in fit.rounds])
            per_test = np.array([strategy.cells[sizes[-1]][number].mean for number in fit.rounds])
            yield Line(
                strategy=strategy.name,
                mark=strategy.mark,
                fixed=_centre(fit.fixed),
                per_test=_centre(fit.per_test),
                phases_fixed=float(np.median(fixed)),
                phases_per_test=float(np.median(per_test)),
                fixed_off=_centre(fit.fixed / fixed - 1),
                per_test_off=_centre(fit.per_test / per_test - 1),
            )


def _course(strategy: _Strategy, factor: Factor, axis: Sequence[Size]) -> Course:
    sizes, rounds = strategy.usable(axis)
    values = [int(getattr(size, factor)) for size in sizes]
    seconds = np.array([[strategy.cells[size][number].median for size in sizes] for number in rounds])
    smallest = _costs(strategy, axis[0])
    points = []
    for size in axis:
        costs = _costs(strategy, size)
        per_test = estimate(statistics.cost(np.array(list(costs.values())))) if costs else None
        points.append(Point(int(getattr(size, factor)), per_test, paired(costs, smallest)))
    slope = _centre(_theil_sen(values, seconds)[1]) if rounds and len(sizes) >= FEWEST_VALUES else None
    return Course(strategy.name, strategy.mark, tuple(points), slope)


def _noise(everyone: Mapping[str, _Strategy], base: Size) -> float:
    ratio = paired(*(_costs(everyone[name], base) if name in everyone else {} for name in (TWIN, FLOOR)))
    return 1.0 if ratio is None else statistics.reach(*bounds(ratio))


def _missing(shown: Iterable[_Strategy], swept: Mapping[Factor, Sequence[Size]], base: Size) -> Iterator[str]:
    """Say of every figure that there is not why there is none."""
    for strategy in shown:
        for size in dict.fromkeys(size for axis in swept.values() for size in axis):
            rounds = strategy.cells.get(size, {})
            trouble = [cell.trouble for cell in rounds.values() if cell.trouble]
            if trouble or not rounds:
                why = (
                    f"{trouble[0]} (in {len(trouble)} of {len(rounds)} rounds)"
                    if trouble
                    else "no round of it finished"
                )
                yield f"{strategy.name} has no figure at {_called(size, base)}: {why}."
        for factor, axis in swept.items():
            sizes, rounds_of_all = strategy.usable(axis)
            if len(sizes) >= FEWEST_VALUES and not rounds_of_all:
                yield f"{strategy.name} has no line over the number of {factor}: no round has all its sizes."


def _called(size: Size, base: Size) -> str:
    differ = [factor for factor in FACTORS if _with(base, factor, getattr(size, factor)) != base]
    return ", ".join(f"{getattr(size, factor)} {factor}" for factor in differ) or "the base size"


def _centre(figures: Floats) -> Estimate:
    """
    Median over rounds, with its interval, of figures that may be 0 or less.

    It is that of `statistics.cost`, which takes logarithms: so it is given exponentials, of figures scaled lest they
    overflow.
    """
    scale = float(np.abs(figures).max()) or 1.0
    return estimate(statistics.Interval(*(np.log(end) * scale for end in statistics.cost(np.exp(figures / scale)))))
