"""
The stopping rule keeps the error rate: equal strategies differ significantly in at most 5 % of runs.

`python -m pytest tests/measure/test_stopping.py -k rate -s` prints the tables of docs/internals/statistics.md.
"""

import math

import numpy as np
import numpy.typing as npt
import pytest

from bench.analysis import statistics
from bench.analysis.statistics import Floats
from bench.measure.session import FEWEST_ROUNDS, MOST_ROUNDS
from bench.measure.stopping import Costs, all_settled, resting, settled
from bench.strategy.declaration import FLOOR, TWIN
from tests.analysis.test_statistics import Draw, contaminated, normal, skewed, slowed, student

Counts = npt.NDArray[np.int_]

RUNS = 10_000
ERROR = 3 * math.sqrt(0.05 * 0.95 / RUNS) * 100
"""Three standard errors of a simulated rate of 5 %, in percentage points: 0.65."""

BUDGET_ROUNDS = 10
"""The number of rounds in runs that a time limit ends, whatever their costs."""


def spread_of(draw: Draw, percent: float) -> Draw:
    """Return noise with another standard deviation, in percent; in tests/analysis/test_statistics.py it is 3."""
    return lambda random, shape: draw(random, shape) * (percent / 3)


def cells(noise: Draw, costs: list[float], runs: int, drift: float = 0.0) -> Floats:
    """
    Return simulated seconds of strategies with these true costs, of shape (strategies, runs, rounds).

    Effects of a whole round are left out, because they cancel in the ratios.
    """
    random = np.random.default_rng(20250101)
    shape = (len(costs), runs, MOST_ROUNDS)
    positions = random.random(shape).argsort(axis=0) + len(costs) * np.arange(MOST_ROUNDS)
    logs = noise(random, shape) + drift * positions / (len(costs) * MOST_ROUNDS - 1)
    return np.asarray(np.exp(logs) * np.array(costs)[:, None, None])


def last_rounds(one: Floats, other: Floats, most: int) -> Counts:
    """Return the number of rounds of each run, if this pair alone decides when it stops."""
    logs = np.log(one / other)
    last = np.full(len(logs), most)
    going = np.arange(len(logs))
    for rounds in range(FEWEST_ROUNDS, most):
        enough = settled(logs[going, :rounds])
        last[going[enough]] = rounds
        going = going[~enough]
    return last


def significant_rates(one: Floats, other: Floats, twin: Floats, floor: Floats, last: Counts) -> tuple[float, float]:
    """Return the percentage of runs in which a pair differs significantly: by its interval, and by its letters."""
    alone = letters = 0
    for rounds in np.unique(last):
        ended = last == rounds
        pair, noise = (statistics.ratio(a[ended, :rounds], b[ended, :rounds]) for a, b in ((one, other), (twin, floor)))
        for low, high, *band in zip(pair.low, pair.high, noise.low, noise.high, strict=True):
            alone += statistics.significantly_different(low, high)
            letters += statistics.significantly_different(low, high, statistics.reach(*band))
    return 100 * alone / len(last), 100 * letters / len(last)


# --- how often equal strategies differ significantly -------------------------------------------------------------

WORLDS: dict[str, tuple[Draw, float]] = {
    "lognormal": (normal, 0),
    "heavy tails (t, 3 df)": (student, 0),
    "contaminated: every 10th cell x 8": (contaminated, 0),
    "every 10th cell slowed": (slowed, 0),
    "skewed (exponential)": (skewed, 0),
    "drift of 30 % over 30 rounds": (normal, 0.3),
}
"""The noise, and the drift from the first to the last cell of the longest run."""
SPREADS = (1, 3, 5, 15)
"""In percent; runs with 10 % look like runs with 15 %."""


@pytest.mark.thorough
@pytest.mark.parametrize("most", [BUDGET_ROUNDS, MOST_ROUNDS])
@pytest.mark.parametrize("world", WORLDS)
def test_rate_of_significant_differences_between_equals(world: str, most: int) -> None:
    """Letters differ in at most 5 % of runs, and intervals exclude 1 in at most 5.5 %, also with a time limit."""
    noise, drift = WORLDS[world]
    row = []
    for percent in SPREADS:
        floor, twin, one, other = cells(spread_of(noise, percent), [1, 1, 1, 1], RUNS, drift)
        last = last_rounds(one, other, most)
        alone, letters = significant_rates(one, other, twin, floor, last)
        row.append(f"{letters:.1f} ({alone:.1f}), {np.median(last):.0f}")
        assert letters <= 5 + ERROR
        assert alone <= 5.5 + ERROR
    print(f"\n| {world} | {most} | {' | '.join(row)} |", end="")  # noqa: T201 - the table for the docs


@pytest.mark.thorough
@pytest.mark.parametrize(("dearer", "most_on_average"), [(1.1, 13), (1.2, 8), (1.5, 6.5)])
def test_rate_at_which_a_true_difference_is_found(dearer: float, most_on_average: float) -> None:
    """Power: with noise of 5 %, a difference of 10 % takes 13 rounds on average, 20 % takes 8, and 50 % takes 6."""
    floor, twin, one, other = cells(spread_of(normal, 5), [1, 1, 1, dearer], RUNS // 10)
    last = last_rounds(one, other, MOST_ROUNDS)
    _, letters = significant_rates(one, other, twin, floor, last)
    print(f"\n| {dearer} | {np.mean(last):.1f} | {np.quantile(last, 0.9):.0f} | {letters:.0f} |", end="")  # noqa: T201
    assert np.mean(last) <= most_on_average
    assert letters >= 95


# --- whole runs -----------------------------------------------------------------------------------------------------

STARTUP = 1.4
"""The start-up of a process, in multiples of the time of the floor's tests."""


def whole_run(seconds: dict[str, Floats], *, rest: bool) -> Costs:
    """Run rounds like the schedule until the stopping rule ends them."""
    costs: Costs = {name: {} for name in seconds}
    walls: dict[str, float] = {}
    resters: set[str] = set()
    for number in range(1, MOST_ROUNDS + 1):
        for name in seconds.keys() - resters:
            costs[name][number] = float(seconds[name][number - 1])
            walls[name] = STARTUP + costs[name][number]
        if rest:
            resters |= resting(costs, walls)
        if number >= FEWEST_ROUNDS and all_settled(costs):
            break
    return costs


def whole_runs(true: dict[str, float], percent: float, runs: int, *, rest: bool = True) -> list[Costs]:
    """Return the costs of simulated runs, given the true costs and the noise of cells in percent."""
    drawn = cells(spread_of(normal, percent), list(true.values()), runs)
    return [whole_run(dict(zip(true, drawn[:, run], strict=True)), rest=rest) for run in range(runs)]


def rounds_of(runs: list[Costs], name: str) -> list[int]:
    """Return the number of rounds of a strategy in each run."""
    return [len(costs[name]) for costs in runs]


def test_a_run_ends_when_the_pair_that_decides_is_settled() -> None:
    """Whole runs in which only one pair is close end after the same rounds as the simulated pairs."""
    true, runs = {FLOOR: 1.0, TWIN: 1.0, "a": 4.0, "b": 4.0, "c": 16.0}, 100
    *_, a, b, _ = cells(spread_of(normal, 5), list(true.values()), runs)
    ends = rounds_of(whole_runs(true, 5, runs, rest=False), FLOOR)
    assert len(set(ends)) > 10
    assert ends == last_rounds(a, b, MOST_ROUNDS).tolist()


def test_who_rests_does_not_keep_a_run_going() -> None:
    """Pairs of resting strategies count as settled: runs end as early as if no strategy rested."""
    true, runs = {FLOOR: 1.0, TWIN: 1.0, "a": 0.9, "b": 2.2, "c": 6.0, "d": 9.0}, 100
    rested, went_on = whole_runs(true, 3, runs), whole_runs(true, 3, runs, rest=False)
    assert np.mean(rounds_of(rested, "d")) < 4
    assert rounds_of(rested, FLOOR) == rounds_of(went_on, FLOOR)


@pytest.mark.thorough
@pytest.mark.parametrize(("dearest", "fewest_rest", "most_rest"), [(6.0, 0.0, 0.02), (7.5, 0.05, 0.4)])
def test_coverage_of_ratios_withstands_rest(dearest: float, fewest_rest: float, most_rest: float) -> None:
    """Equal strategies do not rest; of those that do, intervals cover the truth in 93 % of runs."""
    true = {FLOOR: 1.0, TWIN: 1.0, "a": 0.9, "b": 2.2, "c": 6.0, "d": dearest}
    runs = whole_runs(true, 15, 250)
    rested = [len(costs["d"]) < len(costs[FLOOR]) for costs in runs]
    assert fewest_rest <= np.mean(rested) <= most_rest
    error = 3 * math.sqrt(0.93 * 0.07 / len(runs))
    for numerator, denominator in (("d", "c"), ("d", "a"), ("c", "b")):
        covered = 0
        for costs in runs:
            both = sorted(costs[numerator].keys() & costs[denominator].keys())
            one, other = (np.array([costs[name][number] for number in both]) for name in (numerator, denominator))
            _, low, high = statistics.ratio(one, other)
            covered += bool(low <= true[numerator] / true[denominator] <= high)
        assert covered / len(runs) >= 0.93 - error
