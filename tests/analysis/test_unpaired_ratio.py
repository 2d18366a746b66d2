"""
How often the interval of the ratio of two runs covers the truth.

`python -m pytest tests/analysis/test_unpaired_ratio.py -k coverage -s` prints the table in
docs/internals/comparison.md.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from bench.analysis import statistics
from bench.analysis.statistics import Floats
from tests.analysis.test_statistics import ERROR, RUNS, Draw, contaminated, normal, skewed, slowed, student

costs_of_rounds = st.integers(1, 12).flatmap(lambda rounds: arrays(float, rounds, elements=st.floats(1e-4, 10)))


@given(costs_of_rounds, costs_of_rounds)
def test_a_ratio_of_two_runs_turned_over_is_its_inverse(a: Floats, b: Floats) -> None:
    """A/B and B/A are inverse, and the figure is within its interval, which needs two rounds of both runs."""
    value, low, high = statistics.unpaired_ratio(b, a)
    turned = statistics.unpaired_ratio(a, b)
    assert np.allclose(np.log(turned), -np.log([value, high, low]), atol=1e-9, equal_nan=True)
    if min(len(a), len(b)) < 2:
        assert np.isnan(low)
    else:
        assert low <= value <= high


@pytest.mark.parametrize(("rounds", "others"), [(2, 2), (3, 4), (6, 6), (7, 12), (30, 6)])
def test_the_interval_is_scipys(rounds: int, others: int) -> None:
    """It is the interval of a t test with unequal variances and a fifth trimmed (Yuen), vectorised over runs."""
    random = np.random.default_rng(rounds)
    b, a = random.normal(size=(50, rounds)), random.normal(size=(50, others))
    found = statistics.unpaired_ratio(np.exp(b), np.exp(a))
    expected = stats.ttest_ind(b, a, axis=-1, equal_var=False, trim=0.2).confidence_interval()
    assert np.allclose(np.log(found[1:]), [expected.low, expected.high])


def test_costs_that_do_not_vary_have_an_interval_without_width() -> None:
    """If all rounds of both runs agree, low and high are the ratio, and no warning is raised."""
    value, low, high = statistics.unpaired_ratio(np.full(7, 0.2), np.full(6, 0.1))
    assert value == pytest.approx(2)
    assert low == pytest.approx(high)


def wide(random: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Cells vary by 9 %."""
    return 3 * normal(random, shape)


def wide_student(random: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Cells vary by 15 %, with the tails of Student's t."""
    return 3 * student(random, shape)


WORLDS: dict[str, tuple[Draw, Draw]] = {
    "lognormal": (normal, normal),
    "heavy tails (t, 3 df)": (student, student),
    "contaminated: every 10th cell x 8": (contaminated, contaminated),
    "every 10th cell slowed by 35 %": (slowed, slowed),
    "skewed (exponential)": (skewed, skewed),
    "B varies 3 times as much": (normal, wide),
    "A varies 3 times as much": (wide, normal),
    "heavy tails, B varies 3 times as much": (student, wide_student),
    "only cells of B are slowed": (normal, slowed),
    "only cells of A are slowed": (slowed, normal),
}
"""How the log costs of A and of B vary."""


def coverage(world: tuple[Draw, Draw], rounds: tuple[int, int]) -> float:
    """Return how often, in percent, the interval covers the true median ratio."""
    random = np.random.default_rng(20250101)
    a, b = (draw(random, (300_000,)) for draw in world)
    truth = 2.5 * np.exp(np.median(b - a))
    a, b = (np.exp(draw(random, (RUNS, number))) for draw, number in zip(world, rounds, strict=True))
    _, low, high = statistics.unpaired_ratio(2.5 * b, a)
    return 100 * float(np.mean((low <= truth) & (truth <= high)))


def report(name: str, figures: list[float]) -> None:
    """Print one row of the table."""
    print(f"\n| {name} | {' | '.join(f'{figure:.1f}' for figure in figures)} |", end="")  # noqa: T201 - for the docs


@pytest.mark.thorough
@pytest.mark.parametrize("name", WORLDS)
def test_coverage_of_two_runs_is_93_to_97_percent(name: str) -> None:
    """With 6 to 12 rounds in each run, equal numbers or not, whatever the noise of either run."""
    figures = [coverage(WORLDS[name], rounds) for rounds in [(6, 6), (7, 7), (10, 10), (12, 12), (6, 12), (12, 6)]]
    report(name, figures)
    assert min(figures) >= 93 - ERROR
    assert max(figures) <= 97 + ERROR


@pytest.mark.thorough
@pytest.mark.parametrize("name", WORLDS)
def test_coverage_with_few_rounds(name: str) -> None:
    """With 2 to 5 rounds in one or both runs it is at least 93 %; if cells are slowed, the interval is too wide."""
    figures = [coverage(WORLDS[name], rounds) for rounds in [(2, 2), (3, 3), (5, 5), (3, 7), (5, 8)]]
    report(f"2 x 2, 3 x 3, 5 x 5, 3 x 7, 5 x 8: {name}", figures)
    assert min(figures) >= 93 - ERROR


@pytest.mark.thorough
def test_coverage_when_a_run_is_slower_as_a_whole() -> None:
    """If a whole run is slower, the interval of costs misses the truth; that of ratios to the floor covers it."""
    random = np.random.default_rng(7)
    covered = []
    for rounds in (6, 12):
        shape = (2, RUNS, rounds)
        whole = random.normal(0, 0.1, (2, RUNS, 1))
        strategy, floor = np.exp(normal(random, shape) + whole), np.exp(normal(random, shape) + whole)
        for costs in (strategy, strategy / floor):
            _, low, high = statistics.unpaired_ratio(costs[1], costs[0])
            covered.append(100 * float(np.mean((low <= 1) & (high >= 1))))
    report("runs differ by 10 %: clock and floor at 6 rounds, at 12", covered)
    assert max(covered[0], covered[2]) < 50
    assert min(covered[1], covered[3]) >= 93 - ERROR
    assert max(covered[1], covered[3]) <= 97 + ERROR
