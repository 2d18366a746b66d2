"""
How a sweep is analysed and reported: lines, break-evens, total times, cost curves and missing figures.

The cells are synthetic, so the true values are known.
"""

import dataclasses
import re
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench.analysis import statistics
from bench.analysis.estimates import bounds
from bench.analysis.findings import Reason
from bench.analysis.ranking import analyse
from bench.analysis.scaling import CostCurve, FittedLine, Scaling, _centre, analyse_scaling
from bench.analysis.totals import MOST_TESTS, Total
from bench.report.scaling_text import sentences, tables
from bench.results.records import Cell, Run, Size, StrategyFacts
from tests.made_runs import BOOM, a_cell, a_run, covers, crashed, facts

BASE = Size(tests=100, tables=5, rows=0)
OVER_TESTS = (Size(10, 5, 0), Size(1000, 5, 0))
OVER_TABLES = (Size(100, 50, 0), Size(100, 200, 0))
OVER_ROWS = (Size(100, 5, 1_000), Size(100, 5, 100_000))
NONE, TWIN, FLAT, STEEP = facts("none"), facts("none_twin"), facts("flat"), facts("steep")
TRAP = facts("trap", errors=(("RuntimeError", "loop"),), failures="all fail")

Cost = Callable[[Size], float]
Result = TypeVar("Result", FittedLine, CostCurve, Total)


def swept(*strategies: StrategyFacts, base: Size = BASE, sweep: Iterable[Size] = ()) -> Run:
    """Make a run with a sweep."""
    run = a_run(*strategies)
    return dataclasses.replace(run, workload=dataclasses.replace(run.workload, size=base, sweep=tuple(sweep)))


def cell_of(strategy: str, number: int, size: Size, fixed: float, per_test: float, *, outcomes: str = ".") -> Cell:
    """Make a cell of equal tests whose phases add up to its wall time; `outcomes` are repeated."""
    letters = (outcomes * size.tests)[: size.tests]
    cell = a_cell(strategy, number, per_test, outcomes=letters)
    times = np.full(size.tests, per_test)
    samples = dataclasses.replace(
        cell.samples, setup=tuple(times * 0.2), call=tuple(times * 0.7), teardown=tuple(times * 0.1)
    )
    return dataclasses.replace(
        cell,
        size=size,
        wall=fixed + size.tests * per_test,
        startup=fixed * 0.8,
        collection=fixed * 0.05,
        session_setup=fixed * 0.1,
        session_teardown=fixed * 0.02,
        shutdown=fixed * 0.03,
        samples=samples,
    )


def cells_of(
    truth: dict[str, tuple[float, Cost]],
    sizes: Iterable[Size],
    *,
    rounds: int = 8,
    noise: float = 0.01,
    outcomes: str = ".",
) -> list[Cell]:
    """Make rounds of strategies with a fixed cost and a cost per test; whole rounds vary by 20 %."""
    random = np.random.default_rng(1)
    cells = []
    for number in range(1, rounds + 1):
        block = random.normal(0, 0.2)
        for name, (fixed, per_test) in truth.items():
            for size in sizes:
                factor = float(np.exp(block + random.normal(0, noise)))
                cells.append(cell_of(name, number, size, fixed * factor, per_test(size) * factor, outcomes=outcomes))
    return cells


def always(seconds: float) -> Cost:
    """Return a cost that is the same at every size."""
    return lambda _: seconds


CROSSING: dict[str, tuple[float, Cost]] = {"steep": (1.0, always(0.020)), "flat": (3.0, always(0.010))}
"""Two strategies that break even at 200 tests."""


def scaled(
    truth: dict[str, tuple[float, Cost]],
    sweep: tuple[Size, ...] = (),
    *,
    base: Size = BASE,
    rounds: int = 8,
    noise: float = 0.01,
) -> Scaling:
    """Analyse a run of strategies with these costs."""
    cells = cells_of(truth, (base, *sweep), rounds=rounds, noise=noise)
    return analyse_scaling(swept(*map(facts, truth), base=base, sweep=sweep), cells)


def of(results: Iterable[Result], strategy: str) -> Result:
    """Return the result of a strategy."""
    return next(result for result in results if result.strategy == strategy)


# --- lines


def test_a_line_finds_fixed_cost_and_cost_per_test() -> None:
    """The intervals contain the truth; rounds that vary by 20 % widen them, but not the distance from the phases."""
    scaling = scaled({"flat": (2.0, always(0.010))}, OVER_TESTS, noise=0.001)
    line = of(scaling.lines, "flat")
    for figure, truth, phases, off in (
        (line.fixed, 2.0, line.phases_fixed, line.fixed_off),
        (line.per_test, 0.010, line.phases_per_test, line.per_test_off),
    ):
        assert covers(figure, truth)
        assert phases == pytest.approx(truth, rel=0.2)
        low, high = bounds(figure)
        assert high / low > 1.1
        low, high = bounds(off)
        assert low <= 0 <= high < low + 0.01
    assert sentences(scaling) == []


def lacking_call_time(cell: Cell) -> Cell:
    """Return a cell whose phases miss 2 ms of each test."""
    call = tuple(seconds - 0.002 for seconds in cell.samples.call)
    return dataclasses.replace(cell, samples=dataclasses.replace(cell.samples, call=call))


def lacking_startup(cell: Cell) -> Cell:
    """Return a cell whose phases miss half of the start-up."""
    return dataclasses.replace(cell, startup=cell.startup / 2)


@pytest.mark.parametrize(
    ("change", "figures"),
    [
        pytest.param(lacking_call_time, r"ms per test, the phases give [\d.]+ \(\+2\d%\)", id="per test"),
        pytest.param(lacking_startup, r"s fixed, the phases give [\d.]+ \(\+6\d%\)", id="fixed"),
    ],
)
def test_time_outside_the_phases_is_reported(change: Callable[[Cell], Cell], figures: str) -> None:
    """A sentence names the strategy and the figure that is wrong, and no others."""
    cells = cells_of({"flat": (2.0, always(0.010)), "steep": (2.0, always(0.010))}, (BASE, *OVER_TESTS))
    changed = [change(cell) if cell.strategy == "steep" else cell for cell in cells]
    scaling = analyse_scaling(swept(FLAT, STEEP, sweep=OVER_TESTS), changed)
    (sentence,) = (one for one in sentences(scaling) if "phases" in one)
    assert re.match(f"steep: .* {figures}", sentence)


@pytest.mark.parametrize("residual", [0.0005, 0.0009])
def test_the_usual_time_between_tests_is_not_reported(residual: float) -> None:
    """The line includes pytest's own work between tests, 5 to 9 % of a cheap test; the phases do not."""
    cells = [
        dataclasses.replace(cell, wall=cell.wall + residual * cell.size.tests)
        for cell in cells_of({"flat": (2.0, always(0.010))}, (BASE, *OVER_TESTS), noise=0.001)
    ]
    scaling = analyse_scaling(swept(FLAT, sweep=OVER_TESTS), cells)
    assert not covers(of(scaling.lines, "flat").per_test_off, 0)
    assert sentences(scaling) == []


@given(
    st.lists(st.integers(1, 10_000), min_size=2, max_size=6, unique=True),
    st.lists(st.floats(0.5, 100), min_size=6, max_size=6),
)
def test_the_line_of_a_round_is_that_of_scipy(values: list[int], seconds: list[float]) -> None:
    """Slope and intercept equal those of `scipy.stats.theilslopes`, which takes one round at a time."""
    row = seconds[: len(values)]
    fixed, per_test = statistics.theil_sen(values, np.array([row, row]))
    theirs = stats.theilslopes(row, values, method="joint")  # type: ignore[call-overload] # its stubs know another name
    assert per_test == pytest.approx(theirs.slope)
    assert fixed == pytest.approx(theirs.intercept)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12))
def test_the_centre_of_figures_is_their_median(figures: list[float]) -> None:
    """It holds for negative and large figures, and negating all figures mirrors the interval."""
    ours, mirrored = _centre(np.array(figures)), _centre(-np.array(figures))
    tolerance = 1e-9 * max(map(abs, figures)) + 1e-300
    assert ours.value == pytest.approx(float(np.median(figures)), abs=tolerance)
    if len(figures) == 1:
        assert (ours.low, ours.high) == (None, None)
        return
    low, high = bounds(ours)
    assert mirrored.low == pytest.approx(-high, abs=tolerance)
    if len(figures) >= statistics.EXACT_ROUNDS:
        assert low - tolerance <= ours.value <= high + tolerance


@pytest.mark.parametrize("rounds", [3, 7, 10])
def test_coverage_of_lines(rounds: int) -> None:
    """Both intervals contain the truth in 93 to 97 % of runs whose rounds vary by 10 % and cells by 3 %."""
    random, runs, values = np.random.default_rng(rounds), 3000, [10, 100, 1000]
    disturbed = random.normal(0, 0.1, (runs, rounds, 1)) + random.normal(0, 0.03, (runs, rounds, len(values)))
    walls = (2.0 + 0.010 * np.array(values)) * np.exp(disturbed)
    fixed, per_test = statistics.theil_sen(values, walls.reshape(-1, len(values)))
    for figures, truth in ((fixed, 2.0), (per_test, 0.010)):
        covered = np.mean([covers(_centre(own), truth) for own in figures.reshape(runs, rounds)])
        assert 0.93 <= covered <= 0.97


# --- break-even


@pytest.mark.parametrize("sweep", [(), OVER_TESTS], ids=["phases", "sweep"])
def test_break_even(sweep: tuple[Size, ...]) -> None:
    """1 s and 20 ms per test against 3 s and 10 ms take the same time at 200 tests; a sweep is not needed for that."""
    scaling = scaled(CROSSING, sweep)
    (found,) = scaling.break_evens
    assert (found.below, found.above) == ("steep", "flat")
    assert covers(found.tests, 200)
    assert found.tests.value == pytest.approx(200, rel=0.05)
    assert bool(tables(scaling)) == bool(sweep)
    (sentence,) = sentences(scaling)
    numbers = re.fullmatch(
        r"steep is faster than flat for suites of fewer than about (\d+) tests, and slower for larger ones; "
        r"from (\d+) to (\d+) tests they are tied\.",
        sentence,
    )
    assert numbers
    even, low, high = map(int, numbers.groups())
    assert 190 <= low < 200 < high <= 215
    assert even in {190, 200, 210}


@given(st.floats(0.5, 3), st.floats(0.1, 5), st.floats(0.002, 0.1), st.floats(0.0005, 0.1))
def test_break_even_is_where_the_lines_cross(fixed: float, more: float, per_test: float, dearer: float) -> None:
    """Without noise it is the ratio of both differences, in fixed cost and in cost per test, if that is 1 or more."""
    truth = {"steep": (fixed, always(per_test + dearer)), "flat": (fixed + more, always(per_test))}
    scaling = scaled(truth, rounds=6, noise=0)
    if more / dearer > 1.01:
        (found,) = scaling.break_evens
        assert (found.below, found.above) == ("steep", "flat")
        assert found.tests.value == pytest.approx(more / dearer, rel=0.006)
    elif more / dearer < 0.99:
        assert scaling.break_evens == ()


@pytest.mark.parametrize(
    ("steep", "flat"),
    [
        pytest.param((3.0, 0.020), (1.0, 0.010), id="cheaper in both"),
        pytest.param((2.99, 0.020), (3.0, 0.010), id="fixed costs tied"),
        pytest.param((1.0, 0.01001), (3.0, 0.010), id="costs per test tied"),
        pytest.param((1.0, 0.0200), (1.005, 0.010), id="before the first test"),
    ],
)
def test_no_break_even(steep: tuple[float, float], flat: tuple[float, float]) -> None:
    """Either one strategy is faster for all suites, or the two are tied at one end."""
    truth = {"steep": (steep[0], always(steep[1])), "flat": (flat[0], always(flat[1]))}
    assert scaled(truth, noise=0.02).break_evens == ()


def test_strategies_that_are_not_ranked_have_no_break_even() -> None:
    """Floor, twin, trap and a strategy that leaks do not compete; the table marks the floor and the leaks."""
    truth = {"none": (0.5, always(0.030)), "none_twin": (0.5, always(0.030)), "flat": (3.0, always(0.010))}
    sizes = (BASE, *OVER_TESTS)
    leaking = cells_of({"steep": (1.0, always(0.020))}, sizes, outcomes=".L")
    trap = [a_cell("trap", 0, outcomes="F" * 20)]
    scaling = analyse_scaling(
        swept(NONE, TWIN, FLAT, STEEP, TRAP, sweep=OVER_TESTS), [*trap, *leaking, *cells_of(truth, sizes)]
    )
    assert scaling.break_evens == ()
    assert [(line.strategy, line.not_ranked) for line in scaling.lines] == [
        ("flat", None),
        ("steep", Reason.LEAKS),
        ("none", Reason.FLOOR),
    ]
    (table,) = tables(scaling).values()
    assert [row[0] for row in table[1:]] == ["flat", "steep (leaks)", "none (floor)"]


def test_differences_within_the_noise_give_no_break_even() -> None:
    """If the twin costs 10 % more than the floor, smaller differences are noise."""
    truth = {"steep": (1.00, always(0.0105)), "flat": (1.05, always(0.010))}
    equals = {"none": (1.0, always(0.010)), "none_twin": (1.1, always(0.011))}
    assert len(scaled(truth, noise=0.001).break_evens) == 1
    noisy = scaled({**truth, **equals}, noise=0.001)
    assert noisy.break_evens == ()
    assert noisy.noise == pytest.approx(1.1, rel=0.01)


# --- total times


def test_total_times() -> None:
    """1 s and 20 ms per test are 21 s for 1,000 tests; each strategy is faster on one side of the break-even."""
    totals = scaled(CROSSING).totals
    steep, flat = of(totals, "steep"), of(totals, "flat")
    assert (steep.tests[0], steep.tests[-1]) == (1, MOST_TESTS)
    for tests, seconds in ((1, 1.02), (1000, 21), (MOST_TESTS, 2001)):
        assert covers(steep.seconds[steep.tests.index(tests)], seconds)
    even = min(range(len(steep.tests)), key=lambda place: abs(steep.tests[place] - 200))
    assert [sorted(flat.faster[place]) for place in (0, even, -1)] == [["steep"], [], []]
    assert [sorted(steep.faster[place]) for place in (0, even, -1)] == [[], [], ["flat"]]


@pytest.mark.parametrize("sweep", [(), OVER_TESTS], ids=["phases", "sweep over tests"])
def test_tables_and_chart_have_the_same_total_times(sweep: tuple[Size, ...]) -> None:
    """The time of a suite in the table of strategies is that of the chart, whether tests were swept or not."""
    run, cells = swept(*map(facts, CROSSING), sweep=sweep), cells_of(CROSSING, (BASE, *sweep))
    charted = analyse_scaling(run, cells).totals
    for result in analyse(run, cells).strategies:
        total = of(charted, result.facts.name)
        for tests in (1, 1000, MOST_TESTS):
            assert result.suite_seconds(tests) == pytest.approx(total.seconds[total.tests.index(tests)].value)


def test_what_the_first_test_costs_once_is_not_multiplied() -> None:
    """A suite of 1,000 tests takes 1 s and 1,000 times the 10 ms of a typical test, though the first took 500 ms."""
    cell = cell_of("flat", 1, BASE, 1.0, 0.010)
    call = (0.5, *cell.samples.call[1:])
    slow_start = dataclasses.replace(cell, samples=dataclasses.replace(cell.samples, call=call))
    (total,) = analyse_scaling(swept(FLAT), [slow_start]).totals
    assert total.seconds[total.tests.index(1000)].value == pytest.approx(11)


def test_only_ranked_strategies_have_total_times() -> None:
    """One round gives times without intervals."""
    truth = {"none": (0.5, always(0.030)), "none_twin": (0.5, always(0.030)), "flat": (3.0, always(0.010))}
    (total,) = scaled(truth, rounds=1).totals
    assert (total.strategy, total.seconds[0].low) == ("flat", None)


# --- cost by number of tables and rows


def test_growth_by_number_of_tables() -> None:
    """A strategy grows by 100 microseconds per table; another does not depend on tables and is flat."""
    truth: dict[str, tuple[float, Cost]] = {
        "steep": (1.0, lambda size: 0.010 + 100e-6 * size.tables),
        "flat": (1.0, always(0.010)),
    }
    scaling = scaled(truth, OVER_TABLES)
    steep, flat = (of(scaling.curves["tables"], name) for name in ("steep", "flat"))
    assert covers(steep.slope, 100e-6)
    assert covers(flat.slope, 0)
    assert [point.value for point in steep.points] == [5, 50, 200]
    assert covers(steep.points[0].ratio, 1)
    assert covers(steep.points[1].ratio, 15.0 / 10.5)
    assert covers(steep.points[2].ratio, 30.0 / 10.5)
    (rows,) = tables(scaling).values()
    assert rows[0] == (
        *("strategy", "ms at 5 tables", "ms at 50 tables", "ms at 200 tables"),
        *("growth", "95 % interval", "µs per table", "95 % interval"),
    )
    assert [row[0] for row in rows[1:]] == ["flat", "steep"]
    assert rows[1][4] == "flat"
    assert re.fullmatch(r"x 2\.8\d", rows[2][4])
    assert 90 < float(rows[2][6]) < 110


def test_growth_by_number_of_rows_is_shown_per_thousand() -> None:
    """Copying 100,000 rows in 50 ms is 500 microseconds per 1,000 rows."""
    truth: dict[str, tuple[float, Cost]] = {"steep": (1.0, lambda size: 0.010 + 0.5e-6 * size.rows)}
    ((title, rows),) = tables(scaled(truth, OVER_ROWS, noise=0.001)).items()
    assert (title, rows[0][6]) == ("Cost per test by number of rows", "µs per 1,000 rows")
    assert 450 < float(rows[1][6]) < 550


def test_growth_within_the_noise_is_flat() -> None:
    """A significant growth of 3 % counts as flat if the twin differs from the floor by 5 %."""
    truth: dict[str, tuple[float, Cost]] = {"steep": (1.0, lambda size: 0.010 * (1.03 if size.tables > 5 else 1.0))}
    equals = {"none": (1.0, always(0.010)), "none_twin": (1.0, always(0.0105))}
    for costs, trend in ((truth, "x 1.03"), ({**truth, **equals}, "flat")):
        (rows,) = tables(scaled(costs, OVER_TABLES, noise=0.001)).values()
        assert rows[1][4] == trend


def test_growth_hidden_by_noise_is_not_called_flat() -> None:
    """Three rounds of cells that vary by 33 % do not show whether the cost doubled."""
    truth: dict[str, tuple[float, Cost]] = {"steep": (1.0, lambda size: 0.010 * (2 if size.tables == 200 else 1))}
    (rows,) = tables(scaled(truth, OVER_TABLES, rounds=3, noise=0.33)).values()
    assert rows[1][4] == "not known"


# --- what is missing


def test_one_round_gives_figures_without_intervals() -> None:
    """Then nothing is significant: no trend, no disagreement, no break-even."""
    scaling = scaled(CROSSING, (*OVER_TESTS, *OVER_TABLES, *OVER_ROWS), rounds=1)
    assert of(scaling.lines, "flat").fixed.low is None
    assert sentences(scaling) == []
    over_tests, over_tables, over_rows = tables(scaling).values()
    assert [row[2] for row in over_tests[1:]] == ["-", "-"]
    for table in (over_tables, over_rows):
        assert [row[4:6] for row in table[1:]] == [("not known", "-")] * 2


def broken(cells: Iterable[Cell], size: Size, how: Callable[[Cell], Cell]) -> Iterator[Cell]:
    """Yield the cells, with those of the steep strategy at one size changed in rounds 2 and 3."""
    for cell in cells:
        hit = cell.strategy == "steep" and cell.size == size and cell.round in (2, 3)
        yield how(cell) if hit else cell


def failing(cell: Cell) -> Cell:
    """Return a cell whose first three tests failed."""
    return cell_of(cell.strategy, cell.round, cell.size, 1.0, 0.010, outcomes="FFF" + "." * (cell.size.tests - 3))


def died(cell: Cell) -> Cell:
    """Return a cell whose process died in its second test."""
    return dataclasses.replace(crashed(cell.strategy, cell.round), size=cell.size)


def timed_out(cell: Cell) -> Cell:
    """Return a cell that was killed."""
    return dataclasses.replace(died(cell), status="timeout", detail="killed after 900 s")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (failing, "3 of 100 tests failed: RuntimeError: attached to a different loop (in 2 of 8 rounds)."),
        (died, "it crashed in round 2: exit code -9 (in 2 of 8 rounds)."),
        (timed_out, "it ran out of time in round 2: killed after 900 s (in 2 of 8 rounds)."),
    ],
)
def test_trouble_at_a_size_removes_its_figure(how: Callable[[Cell], Cell], words: str) -> None:
    """The slope comes from the remaining sizes, and a sentence gives the reason."""
    truth: dict[str, tuple[float, Cost]] = {
        "steep": (1.0, lambda size: 0.010 + 100e-6 * size.tables),
        "flat": (1.0, always(0.010)),
    }
    cells = broken(cells_of(truth, (BASE, *OVER_TABLES), noise=0.001), OVER_TABLES[1], how)
    scaling = analyse_scaling(swept(FLAT, STEEP, sweep=OVER_TABLES), cells)
    curve = of(scaling.curves["tables"], "steep")
    assert [point.per_test is None for point in curve.points] == [False, False, True]
    assert covers(curve.slope, 100e-6)
    assert sentences(scaling) == [f"steep has no figure at 200 tables: {words}"]
    row = next(row for row in tables(scaling)["Cost per test by number of tables"] if row[0] == "steep")
    assert row[3:6] == ("-", "-", "-")


def test_trouble_at_a_number_of_tests_excludes_a_strategy_from_break_evens() -> None:
    """Its line goes through the remaining sizes."""
    cells = broken(cells_of(CROSSING, (BASE, *OVER_TESTS)), OVER_TESTS[1], died)
    scaling = analyse_scaling(swept(FLAT, STEEP, sweep=OVER_TESTS), cells)
    assert covers(of(scaling.lines, "steep").per_test, 0.020)
    assert scaling.break_evens == ()
    assert sentences(scaling) == [
        "steep has no figure at 1000 tests: it crashed in round 2: exit code -9 (in 2 of 8 rounds)."
    ]


def test_a_dead_server_is_not_blamed_on_the_strategy() -> None:
    """Its cell is ignored, and the other rounds count."""

    def lost(cell: Cell) -> Cell:
        return dataclasses.replace(died(cell), status="server died")

    scaling = analyse_scaling(
        swept(FLAT, STEEP, sweep=OVER_TESTS), broken(cells_of(CROSSING, (BASE, *OVER_TESTS)), OVER_TESTS[1], lost)
    )
    assert covers(of(scaling.lines, "steep").per_test, 0.020)
    assert scaling.missing == ()


def test_a_later_cell_replaces_an_earlier_one() -> None:
    """A cell that crashed and ran again after a resume counts."""
    cells = cells_of({"steep": (1.0, always(0.020))}, (BASE, *OVER_TESTS))
    run = swept(STEEP, sweep=OVER_TESTS)
    assert analyse_scaling(run, [died(cells[2]), *cells]) == analyse_scaling(run, cells)


def test_sizes_that_share_no_round_have_no_line() -> None:
    """An interrupted run may have each size in a different round; a sentence says so."""
    run = swept(STEEP, sweep=OVER_TESTS)
    cells = [cell_of("steep", number, size, 1.0, 0.02) for number, size in enumerate((BASE, *OVER_TESTS), start=1)]
    scaling = analyse_scaling(run, cells)
    assert scaling.lines == ()
    assert sentences(scaling) == ["steep has no line by number of tests: no round has all of its sizes."]


def test_a_run_without_timed_cells() -> None:
    """There is a sentence for each missing size, and no figure; the warm-up round does not count."""
    run = swept(NONE, TWIN, FLAT, sweep=(*OVER_TABLES, *OVER_TESTS))
    scaling = analyse_scaling(run, [cell_of("none", 0, BASE, 1.0, 0.01)])
    assert (scaling.lines, scaling.break_evens, scaling.noise) == ((), (), 1.0)
    assert len(sentences(scaling)) == 2 * 5
    assert sentences(scaling)[0] == "flat has no figure at 10 tests: no round finished."
    (rows,) = tables(scaling).values()
    assert set(rows[1][1:]) == {"-"}


def test_errors_stay_on_one_line() -> None:
    """Line breaks, terminal codes and thousands of characters of an error do not reach the report."""
    nasty = dataclasses.replace(BOOM, message="a\nb\x1b[31m" + "c " * 500)

    def how(cell: Cell) -> Cell:
        return dataclasses.replace(failing(cell), failures=(nasty,))

    cells = broken(cells_of({"steep": (1.0, always(0.020))}, (BASE, *OVER_TESTS)), BASE, how)
    (sentence,) = sentences(analyse_scaling(swept(STEEP, sweep=OVER_TESTS), cells))
    assert sentence.isprintable()
    assert len(sentence) < 300


def test_a_line_below_zero_has_no_break_even_and_no_total_times() -> None:
    """A small fixed cost drowns in the noise of long suites; its interval shows that."""
    base, longer = Size(1000, 5, 0), Size(3000, 5, 0)
    truth = {"steep": (1.0, always(0.020)), "flat": (30.0, always(0.010))}
    scaling = scaled(truth, (longer,), base=base, noise=0.1)
    low, _ = bounds(of(scaling.lines, "steep").fixed)
    assert low < 0
    assert scaling.break_evens == ()
    assert [total.strategy for total in scaling.totals] == ["flat"]
    (rows,) = tables(scaling).values()
    assert next(row[2] for row in rows if row[0] == "steep").startswith("-")


def test_cells_are_read_one_at_a_time() -> None:
    """Memory does not grow with the number of tests, because only a few figures of each cell are kept."""
    big = Size(10_000, 5, 0)

    def stream() -> Iterator[Cell]:
        for number in range(1, 11):
            for size in (BASE, big):
                yield cell_of("steep", number, size, 1.0, 0.02)

    tracemalloc.start()
    analyse_scaling(swept(STEEP, sweep=[big]), stream())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10e6
