"""
What a sweep becomes: lines over the number of tests, break-evens, growth over tables and rows, and what is missing.

The cells are synthetic, but made of the real records, so the truth that is to be found again is known.
"""

import dataclasses
import re
import tracemalloc
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench.analysis import statistics
from bench.analysis.estimates import Estimate
from bench.analysis.scaling import Course, Growth, Line, _centre, _theil_sen, grow
from bench.analysis.totals import MOST_TESTS, Total
from bench.report.scaling_text import sentences, tables
from bench.results.records import Cell, Run, Size, StrategyFacts
from tests.made_runs import BOOM, a_cell, a_run, crashed, facts

BASE = Size(tests=100, tables=5, rows=0)
OVER_TESTS = (Size(10, 5, 0), Size(1000, 5, 0))
OVER_TABLES = (Size(100, 50, 0), Size(100, 200, 0))
OVER_ROWS = (Size(100, 5, 1_000), Size(100, 5, 100_000))
NONE, TWIN, FLAT, STEEP = facts("none"), facts("none_twin"), facts("flat"), facts("steep")
TRAP = facts("trap", errors=(("RuntimeError", "loop"),), failures="all fail")

Cost = Callable[[Size], float]


def swept(*strategies: StrategyFacts, base: Size = BASE, sweep: Iterable[Size] = ()) -> Run:
    """Make a run with a sweep."""
    run = a_run(*strategies)
    return dataclasses.replace(run, workload=dataclasses.replace(run.workload, size=base, sweep=tuple(sweep)))


def cell_of(strategy: str, number: int, size: Size, fixed: float, per_test: float, *, outcomes: str = ".") -> Cell:
    """Make a cell of `size.tests` equal tests in which phases and wall time add up; `outcomes` are repeated."""
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
    """Make whole rounds of strategies with a fixed cost and a cost per test; rounds differ by a fifth as a whole."""
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
    """Cost the same at every size."""
    return lambda _: seconds


def covers(estimate: Estimate | None, truth: float) -> bool:
    """Whether there is an interval, and the truth lies in it."""
    assert estimate is not None
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low <= truth <= estimate.high


def line_of(growth: Growth, name: str) -> Line:
    """Look a line up by its strategy."""
    return next(line for line in growth.lines if line.strategy == name)


def course_of(growth: Growth, name: str) -> Course:
    """Look the only course of a strategy up."""
    return next(course for courses in growth.courses.values() for course in courses if course.strategy == name)


# --- lines over the number of tests


def test_a_line_finds_fixed_cost_and_cost_per_test() -> None:
    """2 s and 10 ms per test are within the intervals, though rounds differ by a fifth; nothing disagrees."""
    cells = cells_of({"flat": (2.0, always(0.010))}, (BASE, *OVER_TESTS))
    growth = grow(swept(FLAT, sweep=OVER_TESTS), cells)
    line = line_of(growth, "flat")
    assert covers(line.fixed, 2.0)
    assert covers(line.per_test, 0.010)
    assert line.phases_fixed == pytest.approx(2.0, rel=0.2)
    assert line.phases_per_test == pytest.approx(0.010, rel=0.2)
    assert sentences(growth) == []


def test_line_and_phases_are_compared_within_rounds() -> None:
    """Rounds that differ by a fifth blur the line itself, not by how much the phases fall short of it."""
    cells = cells_of({"flat": (2.0, always(0.010))}, (BASE, *OVER_TESTS), noise=0.001)
    line = line_of(grow(swept(FLAT, sweep=OVER_TESTS), cells), "flat")
    for blurred, off in ((line.fixed, line.fixed_off), (line.per_test, line.per_test_off)):
        assert covers(off, 0)
        assert blurred.low is not None
        assert blurred.high is not None
        assert blurred.high / blurred.low > 1.1
        assert off.low is not None
        assert off.high is not None
        assert off.high - off.low < 0.01


def test_phases_that_do_not_see_a_fifth_of_each_test_are_found_out() -> None:
    """A sentence says so of the strategy and of the figure that is wrong, and of no other."""
    run = swept(FLAT, STEEP, sweep=OVER_TESTS)
    cells = cells_of({"flat": (2.0, always(0.010)), "steep": (2.0, always(0.010))}, (BASE, *OVER_TESTS))
    lying = [
        dataclasses.replace(
            cell, samples=dataclasses.replace(cell.samples, call=tuple(t - 0.002 for t in cell.samples.call))
        )
        if cell.strategy == "steep"
        else cell
        for cell in cells
    ]
    (sentence,) = (one for one in sentences(grow(run, lying)) if "phases" in one)
    assert re.match(r"steep: .* ms per test, the phases [\d.]+ \(\+2\d%\)", sentence)


def test_a_fixed_cost_that_phases_do_not_see_is_found_out() -> None:
    """A start-up that is half as long in the phases as on the wall is said."""
    cells = [
        dataclasses.replace(cell, startup=cell.startup / 2)
        for cell in cells_of({"flat": (2.0, always(0.010))}, (BASE, *OVER_TESTS))
    ]
    (sentence,) = sentences(grow(swept(FLAT, sweep=OVER_TESTS), cells))
    assert re.match(r"flat: .* s fixed, the phases [\d.]+ \(\+6\d%\)", sentence)


@pytest.mark.parametrize("residual", [0.0005, 0.0009])
def test_the_usual_time_between_tests_is_no_disagreement(residual: float) -> None:
    """What pytest does itself, 5 to 9 % of a cheap test, is in the line and not in the phases, and not worth a word."""
    cells = [
        dataclasses.replace(cell, wall=cell.wall + residual * cell.size.tests)
        for cell in cells_of({"flat": (2.0, always(0.010))}, (BASE, *OVER_TESTS), noise=0.001)
    ]
    growth = grow(swept(FLAT, sweep=OVER_TESTS), cells)
    assert not covers(line_of(growth, "flat").per_test_off, 0)
    assert sentences(growth) == []


@given(
    st.lists(st.integers(1, 10_000), min_size=2, max_size=6, unique=True),
    st.lists(st.floats(0.5, 100), min_size=6, max_size=6),
)
def test_the_line_of_a_round_is_that_of_scipy(values: list[int], seconds: list[float]) -> None:
    """Slope and intercept are those of `scipy.stats.theilslopes`, which takes one round at a time."""
    row = seconds[: len(values)]
    fixed, per_test = _theil_sen(values, np.array([row, row]))
    theirs = stats.theilslopes(row, values, method="joint")  # type: ignore[call-overload] # its stubs know another name
    assert per_test == pytest.approx(theirs.slope)
    assert fixed == pytest.approx(theirs.intercept)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12))
def test_the_centre_of_figures_is_their_median(figures: list[float]) -> None:
    """Figures below 0 and large ones get their median, within an interval whose ends are theirs with signs reversed."""
    ours, mirrored = _centre(np.array(figures)), _centre(-np.array(figures))
    tolerance = 1e-9 * max(map(abs, figures)) + 1e-300
    assert ours.value == pytest.approx(float(np.median(figures)), abs=tolerance)
    if len(figures) == 1:
        assert (ours.low, ours.high) == (None, None)
        return
    assert ours.low is not None
    assert ours.high is not None
    assert mirrored.low == pytest.approx(-ours.high, abs=tolerance)
    if len(figures) >= statistics.EXACT_ROUNDS:
        assert ours.low - tolerance <= ours.value <= ours.high + tolerance


@pytest.mark.parametrize("rounds", [3, 7, 10])
def test_coverage_of_lines(rounds: int) -> None:
    """The intervals of both figures cover the truth in 93 to 97 % of runs whose rounds differ by 10 %, cells by 3 %."""
    random, runs, values = np.random.default_rng(rounds), 3000, [10, 100, 1000]
    disturbed = random.normal(0, 0.1, (runs, rounds, 1)) + random.normal(0, 0.03, (runs, rounds, len(values)))
    walls = (2.0 + 0.010 * np.array(values)) * np.exp(disturbed)
    fixed, per_test = _theil_sen(values, walls.reshape(-1, len(values)))
    for figures, truth in ((fixed, 2.0), (per_test, 0.010)):
        covered = np.mean([covers(_centre(own), truth) for own in figures.reshape(runs, rounds)])
        assert 0.93 <= covered <= 0.97


# --- break-even


def test_break_even_of_a_sweep() -> None:
    """1 s and 20 ms per test against 3 s and 10 ms: they take the same time at 200 tests."""
    truth = {"steep": (1.0, always(0.020)), "flat": (3.0, always(0.010))}
    growth = grow(swept(FLAT, STEEP, sweep=OVER_TESTS), cells_of(truth, (BASE, *OVER_TESTS)))
    (found,) = growth.break_evens
    assert (found.below, found.above) == ("steep", "flat")
    assert covers(found.tests, 200)
    assert found.tests.value == pytest.approx(200, rel=0.05)
    (sentence,) = sentences(growth)
    words = r"Below about (\d+) tests steep takes less time, above flat; from (\d+) to (\d+) they are not told apart\."
    told = re.fullmatch(words, sentence)
    assert told
    even, low, high = map(int, told.groups())
    assert 190 <= low < 200 < high <= 215
    assert even in {190, 200, 210}


def test_break_even_without_a_sweep() -> None:
    """The phases of one size say it as well, and then it is all there is to say."""
    truth = {"steep": (1.0, always(0.020)), "flat": (3.0, always(0.010))}
    growth = grow(swept(FLAT, STEEP), cells_of(truth, (BASE,)))
    assert covers(growth.break_evens[0].tests, 200)
    assert tables(growth) == {}
    assert len(sentences(growth)) == 1


@given(st.floats(0.5, 3), st.floats(0.1, 5), st.floats(0.002, 0.1), st.floats(0.0005, 0.1))
def test_break_even_is_where_the_lines_cross(fixed: float, more: float, per_test: float, dearer: float) -> None:
    """Without noise it is the difference of the fixed costs over that of the costs per test, if that is 1 or more."""
    truth = {"steep": (fixed, always(per_test + dearer)), "flat": (fixed + more, always(per_test))}
    growth = grow(swept(FLAT, STEEP), cells_of(truth, (BASE,), rounds=6, noise=0))
    if more / dearer > 1.01:
        (found,) = growth.break_evens
        assert (found.below, found.above) == ("steep", "flat")
        assert found.tests.value == pytest.approx(more / dearer, rel=0.006)
    elif more / dearer < 0.99:
        assert growth.break_evens == ()


@pytest.mark.parametrize(
    ("steep", "flat"),
    [
        pytest.param((3.0, 0.020), (1.0, 0.010), id="cheaper in both"),
        pytest.param((2.99, 0.020), (3.0, 0.010), id="fixed costs not told apart"),
        pytest.param((1.0, 0.01001), (3.0, 0.010), id="costs per test not told apart"),
        pytest.param((1.0, 0.0200), (1.005, 0.010), id="before the first test"),
    ],
)
def test_no_break_even(steep: tuple[float, float], flat: tuple[float, float]) -> None:
    """Where one is the cheaper one at all lengths, or both are alike at one end, there is none."""
    truth = {"steep": (steep[0], always(steep[1])), "flat": (flat[0], always(flat[1]))}
    assert grow(swept(FLAT, STEEP), cells_of(truth, (BASE,), noise=0.02)).break_evens == ()


def test_who_does_not_compete_has_no_break_even() -> None:
    """The floor and its twin, a strategy that leaks and a trap are compared with nobody; those with rows are marked."""
    truth = {"none": (0.5, always(0.030)), "none_twin": (0.5, always(0.030)), "flat": (3.0, always(0.010))}
    sizes = (BASE, *OVER_TESTS)
    leaking = cells_of({"steep": (1.0, always(0.020))}, sizes, outcomes=".L")
    trap = [a_cell("trap", 0, outcomes="F" * 20)]
    growth = grow(swept(NONE, TWIN, FLAT, STEEP, TRAP, sweep=OVER_TESTS), [*trap, *leaking, *cells_of(truth, sizes)])
    assert growth.break_evens == ()
    assert [(line.strategy, line.mark) for line in growth.lines] == [
        ("flat", ""),
        ("steep", "leaks"),
        ("none", "floor"),
    ]
    (table,) = tables(growth).values()
    assert [row[0] for row in table[1:]] == ["flat", "steep (leaks)", "none (floor)"]


def test_what_differs_within_the_noise_of_equals_breaks_even_nowhere() -> None:
    """Twins of which one is a tenth dearer all the time swallow a break-even whose sides differ by less."""
    truth = {"steep": (1.00, always(0.0105)), "flat": (1.05, always(0.010))}
    equals = {"none": (1.0, always(0.010)), "none_twin": (1.1, always(0.011))}
    run = swept(NONE, TWIN, FLAT, STEEP)
    assert len(grow(run, cells_of(truth, (BASE,), noise=0.001)).break_evens) == 1
    noisy = grow(run, cells_of({**truth, **equals}, (BASE,), noise=0.001))
    assert noisy.break_evens == ()
    assert noisy.noise == pytest.approx(1.1, rel=0.01)


# --- total times


def total_of(growth: Growth, name: str) -> Total:
    """Look the total times of a strategy up."""
    return next(total for total in growth.totals if total.strategy == name)


def test_total_times_are_those_of_the_lines() -> None:
    """1 s and 20 ms per test are 1.02 s for one test, 21 s for 1,000, 2,001 s for 100,000."""
    truth = {"steep": (1.0, always(0.020)), "flat": (3.0, always(0.010))}
    total = total_of(grow(swept(FLAT, STEEP), cells_of(truth, (BASE,))), "steep")
    assert (total.tests[0], total.tests[-1]) == (1, MOST_TESTS)
    for tests, seconds in ((1, 1.02), (1000, 21), (MOST_TESTS, 2001)):
        assert covers(total.seconds[total.tests.index(tests)], seconds)


def test_a_total_time_knows_who_is_faster() -> None:
    """Below their break-even the one is told apart as faster, above it the other, and at it neither."""
    truth = {"steep": (1.0, always(0.020)), "flat": (3.0, always(0.010))}
    growth = grow(swept(FLAT, STEEP), cells_of(truth, (BASE,)))
    steep, flat = total_of(growth, "steep"), total_of(growth, "flat")
    even = min(range(len(steep.tests)), key=lambda place: abs(steep.tests[place] - 200))
    assert [sorted(flat.faster[place]) for place in (0, even, -1)] == [["steep"], [], []]
    assert [sorted(steep.faster[place]) for place in (0, even, -1)] == [[], [], ["flat"]]


def test_who_does_not_compete_has_no_total_time() -> None:
    """Neither has a strategy whose line runs below 0 in some round, and one round gives times without intervals."""
    truth = {"none": (0.5, always(0.030)), "none_twin": (0.5, always(0.030)), "flat": (3.0, always(0.010))}
    growth = grow(swept(NONE, TWIN, FLAT), cells_of(truth, (BASE,), rounds=1))
    assert [total.strategy for total in growth.totals] == ["flat"]
    assert growth.totals[0].seconds[0].low is None
    base, longer = Size(1000, 5, 0), Size(3000, 5, 0)
    below = cells_of({"steep": (1.0, always(0.020))}, (base, longer), noise=0.1)
    assert grow(swept(STEEP, base=base, sweep=[longer]), below).totals == ()


# --- growth over tables and rows


def test_growth_over_tables() -> None:
    """100 microseconds per table are found; a strategy that does not care about tables is flat."""
    truth: dict[str, tuple[float, Cost]] = {
        "steep": (1.0, lambda size: 0.010 + 100e-6 * size.tables),
        "flat": (1.0, always(0.010)),
    }
    growth = grow(swept(FLAT, STEEP, sweep=OVER_TABLES), cells_of(truth, (BASE, *OVER_TABLES)))
    steep, flat = course_of(growth, "steep"), course_of(growth, "flat")
    assert covers(steep.slope, 100e-6)
    assert covers(flat.slope, 0)
    assert [point.value for point in steep.points] == [5, 50, 200]
    assert covers(steep.points[0].ratio, 1)
    assert covers(steep.points[1].ratio, 15.0 / 10.5)
    assert covers(steep.points[2].ratio, 30.0 / 10.5)
    (rows,) = tables(growth).values()
    assert rows[0] == (
        *("strategy", "ms at 5 tables", "ms at 50 tables", "ms at 200 tables"),
        *("growth", "95 % interval", "µs per table", "95 % interval"),
    )
    assert [row[0] for row in rows[1:]] == ["flat", "steep"]
    assert rows[1][4] == "flat"
    assert re.fullmatch(r"x 2\.8\d", rows[2][4])
    assert 90 < float(rows[2][6]) < 110


def test_growth_over_rows_is_shown_per_thousand() -> None:
    """A strategy that copies 100,000 rows in 50 ms pays 500 microseconds per 1,000 rows."""
    truth: dict[str, tuple[float, Cost]] = {"steep": (1.0, lambda size: 0.010 + 0.5e-6 * size.rows)}
    growth = grow(swept(STEEP, sweep=OVER_ROWS), cells_of(truth, (BASE, *OVER_ROWS), noise=0.001))
    (rows,) = tables(growth).values()
    assert rows[0][6] == "µs per 1,000 rows"
    assert 450 < float(rows[1][6]) < 550
    assert list(tables(growth)) == ["Cost per test over the number of rows"]


def test_growth_within_the_noise_of_equals_is_flat() -> None:
    """A growth of 3 %, told apart from none, is flat where the twin differs from the floor by 5 %."""
    truth: dict[str, tuple[float, Cost]] = {"steep": (1.0, lambda size: 0.010 * (1.03 if size.tables > 5 else 1.0))}
    equals = {"none": (1.0, always(0.010)), "none_twin": (1.0, always(0.0105))}
    sizes = (BASE, *OVER_TABLES)
    run = swept(NONE, TWIN, STEEP, sweep=OVER_TABLES)
    alone = tables(grow(run, cells_of(truth, sizes, noise=0.001)))
    beside = tables(grow(run, cells_of({**truth, **equals}, sizes, noise=0.001)))
    assert next(iter(alone.values()))[1][4] == "x 1.03"
    assert next(iter(beside.values()))[1][4] == "flat"


def test_growth_that_noise_hides_is_not_called_flat() -> None:
    """Three rounds of cells that vary by a third do not tell whether the cost doubled, so the word is another."""
    truth: dict[str, tuple[float, Cost]] = {"steep": (1.0, lambda size: 0.010 * (2 if size.tables == 200 else 1))}
    cells = cells_of(truth, (BASE, *OVER_TABLES), rounds=3, noise=0.33)
    (rows,) = tables(grow(swept(STEEP, sweep=OVER_TABLES), cells)).values()
    assert rows[1][4] == "not known"


# --- what is missing


def test_one_round_gives_figures_without_intervals() -> None:
    """Nothing can be told apart then: neither flat nor grown, no disagreement, no break-even."""
    truth = {"steep": (1.0, always(0.020)), "flat": (3.0, always(0.010))}
    run = swept(FLAT, STEEP, sweep=(*OVER_TESTS, *OVER_TABLES, *OVER_ROWS))
    growth = grow(run, cells_of(truth, (BASE, *run.workload.sweep), rounds=1))
    assert line_of(growth, "flat").fixed.low is None
    assert sentences(growth) == []
    over_tests, over_tables, over_rows = tables(growth).values()
    assert [row[2] for row in over_tests[1:]] == ["-", "-"]
    for table in (over_tables, over_rows):
        assert [row[4:6] for row in table[1:]] == [("not known", "-")] * 2


def broken(cells: Iterable[Cell], size: Size, how: Callable[[Cell], Cell]) -> Iterator[Cell]:
    """Change the cells of the steep strategy at one size in rounds 2 and 3."""
    for cell in cells:
        hit = cell.strategy == "steep" and cell.size == size and cell.round in (2, 3)
        yield how(cell) if hit else cell


def failing(cell: Cell) -> Cell:
    """Let the first three tests fail."""
    return cell_of(cell.strategy, cell.round, cell.size, 1.0, 0.010, outcomes="FFF" + "." * (cell.size.tests - 3))


def died(cell: Cell) -> Cell:
    """Let the process die in its second test."""
    return dataclasses.replace(crashed(cell.strategy, cell.round), size=cell.size)


def timed_out(cell: Cell) -> Cell:
    """Let it be killed."""
    return dataclasses.replace(died(cell), status="timeout", detail="killed after 900 s")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (failing, "3 of 100 tests failed: RuntimeError: attached to a different loop (in 2 of 8 rounds)."),
        (died, "its cell crashed: exit code -9 (in 2 of 8 rounds)."),
        (timed_out, "its cell ran out of time: killed after 900 s (in 2 of 8 rounds)."),
    ],
)
def test_trouble_at_a_size_leaves_its_figure_out(how: Callable[[Cell], Cell], words: str) -> None:
    """The others stay, the slope is that of the sizes that are left, and a sentence says what happened."""
    truth: dict[str, tuple[float, Cost]] = {
        "steep": (1.0, lambda size: 0.010 + 100e-6 * size.tables),
        "flat": (1.0, always(0.010)),
    }
    cells = broken(cells_of(truth, (BASE, *OVER_TABLES), noise=0.001), OVER_TABLES[1], how)
    growth = grow(swept(FLAT, STEEP, sweep=OVER_TABLES), cells)
    course = course_of(growth, "steep")
    assert [point.per_test is None for point in course.points] == [False, False, True]
    assert covers(course.slope, 100e-6)
    assert sentences(growth) == [f"steep has no figure at 200 tables: {words}"]
    row = next(row for row in tables(growth)["Cost per test over the number of tables"] if row[0] == "steep")
    assert row[3:6] == ("-", "-", "-")


def test_trouble_with_the_most_tests_keeps_a_strategy_from_breaking_even() -> None:
    """A suite that fails at 1,000 tests has a line through the others, and competes no more."""
    truth = {"steep": (1.0, always(0.020)), "flat": (3.0, always(0.010))}
    cells = broken(cells_of(truth, (BASE, *OVER_TESTS)), OVER_TESTS[1], died)
    growth = grow(swept(FLAT, STEEP, sweep=OVER_TESTS), cells)
    assert covers(line_of(growth, "steep").per_test, 0.020)
    assert growth.break_evens == ()
    assert sentences(growth) == [
        "steep has no figure at 1000 tests: its cell crashed: exit code -9 (in 2 of 8 rounds)."
    ]


def test_a_server_that_died_is_not_blamed_on_the_strategy() -> None:
    """Its cell is as if it had not run: the other rounds count."""
    truth = {"steep": (1.0, always(0.020))}

    def lost(cell: Cell) -> Cell:
        return dataclasses.replace(died(cell), status="server died")

    growth = grow(swept(STEEP, sweep=OVER_TESTS), broken(cells_of(truth, (BASE, *OVER_TESTS)), OVER_TESTS[1], lost))
    assert covers(line_of(growth, "steep").per_test, 0.020)
    assert sentences(growth) == []


def test_a_later_cell_counts_for_an_earlier_one() -> None:
    """What crashed and was run again after a resume has its figure."""
    cells = cells_of({"steep": (1.0, always(0.020))}, (BASE, *OVER_TESTS))
    run = swept(STEEP, sweep=OVER_TESTS)
    assert grow(run, [died(cells[2]), *cells]) == grow(run, cells)


def test_sizes_that_never_met_in_a_round_have_no_line() -> None:
    """An interrupted run may have each size in another round: no line, and a sentence, for there is nothing to pair."""
    run = swept(STEEP, sweep=OVER_TESTS)
    cells = [cell_of("steep", number, size, 1.0, 0.02) for number, size in enumerate((BASE, *OVER_TESTS), start=1)]
    growth = grow(run, cells)
    assert growth.lines == ()
    assert sentences(growth) == ["steep has no line over the number of tests: no round has all its sizes."]


def test_a_run_without_cells_says_what_is_missing() -> None:
    """A sentence for each size, no figure, no error; an interrupted warm-up round is none."""
    run = swept(NONE, TWIN, FLAT, sweep=(*OVER_TABLES, *OVER_TESTS))
    growth = grow(run, [cell_of("none", 0, BASE, 1.0, 0.01)])
    assert (growth.lines, growth.break_evens, growth.noise) == ((), (), 1.0)
    assert len(sentences(growth)) == 2 * 5
    assert sentences(growth)[0] == "flat has no figure at 10 tests: no round of it finished."
    (rows,) = tables(growth).values()
    assert set(rows[1][1:]) == {"-"}


def test_errors_stay_on_one_line() -> None:
    """Whatever an error says, new lines and terminal codes do not reach the report, nor do thousands of characters."""
    nasty = dataclasses.replace(BOOM, message="a\nb\x1b[31m" + "c " * 500)

    def how(cell: Cell) -> Cell:
        return dataclasses.replace(failing(cell), failures=(nasty,))

    cells = broken(cells_of({"steep": (1.0, always(0.020))}, (BASE, *OVER_TESTS)), BASE, how)
    (sentence,) = sentences(grow(swept(STEEP, sweep=OVER_TESTS), cells))
    assert sentence.isprintable()
    assert len(sentence) < 300


def test_a_line_that_starts_below_zero_breaks_even_with_nobody() -> None:
    """Where the noise of long suites drowns a small fixed cost, its interval shows it, and nothing is said of it."""
    base, longer = Size(1000, 5, 0), Size(3000, 5, 0)
    truth = {"steep": (1.0, always(0.020)), "flat": (3.0, always(0.010))}
    growth = grow(swept(FLAT, STEEP, base=base, sweep=[longer]), cells_of(truth, (base, longer), noise=0.1))
    steep = line_of(growth, "steep")
    assert steep.fixed.low is not None
    assert steep.fixed.low < 0
    assert growth.break_evens == ()
    (rows,) = tables(growth).values()
    assert next(row[2] for row in rows if row[0] == "steep").startswith("-")


def test_cells_are_read_one_at_a_time() -> None:
    """Memory does not grow with the number of tests: only figures of each cell are kept."""
    big = Size(10_000, 5, 0)

    def stream() -> Iterator[Cell]:
        for number in range(1, 11):
            for size in (BASE, big):
                yield cell_of("steep", number, size, 1.0, 0.02)

    tracemalloc.start()
    grow(swept(STEEP, sweep=[big]), stream())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10e6
