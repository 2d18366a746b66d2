"""
That the statistics say what they claim: properties that hold for all data, and simulations of how often they are right.

`python -m pytest tests/analysis/test_statistics.py -k coverage -s` prints the table of docs/internals/statistics.md.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from bench.analysis import statistics
from bench.analysis.statistics import Floats

unhurried = settings(deadline=None, derandomize=True)
Draw = Callable[[np.random.Generator, tuple[int, ...]], Floats]

costs_of_rounds = st.integers(1, 12).flatmap(lambda rounds: arrays(float, rounds, elements=st.floats(1e-4, 10)))
two_costs = st.integers(1, 12).flatmap(lambda rounds: arrays(float, (2, rounds), elements=st.floats(1e-4, 10)))


def same(one: statistics.Interval, other: statistics.Interval) -> bool:
    """Whether two intervals agree, apart from rounding."""
    return bool(np.allclose(one, other, rtol=1e-9, equal_nan=True))


# --- cost and ratio -------------------------------------------------------------------------------------------------


@unhurried
@given(costs_of_rounds, st.floats(1e-3, 1e3))
def test_a_cost_scales_with_its_unit(seconds: Floats, factor: float) -> None:
    """Figure and interval scale with the unit."""
    value, low, high = statistics.cost(seconds)
    scaled = statistics.Interval(value * factor, low * factor, high * factor)
    assert same(statistics.cost(seconds * factor), scaled)


@unhurried
@given(costs_of_rounds, st.randoms(use_true_random=False))
def test_the_order_of_rounds_does_not_matter_to_a_cost(seconds: Floats, random: Random) -> None:
    """Shuffled rounds give the same figure and interval."""
    shuffled = random.sample(list(seconds), len(seconds))
    assert same(statistics.cost(np.array(shuffled)), statistics.cost(seconds))


@unhurried
@given(two_costs)
def test_a_ratio_turned_over_is_its_inverse(pair: Floats) -> None:
    """a/b and b/a are inverse, so neither strategy of a pair is favoured."""
    value, low, high = statistics.ratio(pair[0], pair[1])
    assert same(statistics.ratio(pair[1], pair[0]), statistics.Interval(1 / value, 1 / high, 1 / low))


@unhurried
@given(two_costs, st.data())
def test_the_effect_of_a_round_does_not_change_a_ratio(pair: Floats, data: st.DataObject) -> None:
    """A factor that slows both strategies in a round changes neither ratio nor interval."""
    blocks = data.draw(arrays(float, pair.shape[1], elements=st.floats(0.1, 10)))
    assert same(statistics.ratio(*(pair * blocks)), statistics.ratio(*pair))


@unhurried
@given(two_costs)
def test_a_figure_lies_within_its_interval(pair: Floats) -> None:
    """For any number of rounds from 2 on; one round gives a figure without an interval."""
    for interval in (statistics.cost(pair[0]), statistics.ratio(*pair)):
        value, low, high = interval
        if pair.shape[1] == 1:
            assert np.isnan(low)
            assert np.isnan(high)
        else:
            assert low <= value * (1 + 1e-9)
            assert value <= high * (1 + 1e-9)


@pytest.mark.parametrize("rounds", [6, 7, 8, 9, 10, 15, 30])
def test_the_interval_of_a_cost_is_scipys(rounds: int) -> None:
    """From 6 rounds on, it is scipy's Hettmansperger-Sheather interval, which takes one run at a time."""
    seconds = np.exp(np.random.default_rng(rounds).normal(size=rounds))
    _, low, high = statistics.cost(seconds)
    assert np.log([low, high]) == pytest.approx(stats.mstats.median_cihs(np.log(seconds)))


@pytest.mark.parametrize("rounds", [6, 7, 10, 13])
def test_the_interval_of_a_ratio_inverts_wilcoxons_test(rounds: int) -> None:
    """From 6 rounds on, the interval excludes 1 exactly if scipy's exact signed-rank test has p <= 0.05."""
    random = np.random.default_rng(rounds)
    for shift in np.linspace(0, 1.5, 40):
        one, other = np.exp(random.normal(np.array([[shift], [0]]), 1, (2, rounds)))
        _, low, high = statistics.ratio(one, other)
        p = stats.wilcoxon(np.log(one / other), method="exact").pvalue
        assert statistics.significantly_different(float(low), float(high)) == (p <= 0.05)


@pytest.mark.parametrize(("rounds", "percent"), [(6, 3.12), (7, 4.69), (8, 3.91), (9, 3.91), (10, 4.88)])
def test_equal_costs_are_significantly_different_in_at_most_5_percent(rounds: int, percent: float) -> None:
    """For equal strategies both signs of a log-ratio are equally likely, so counting all signs gives the exact rate."""
    sizes = np.exp(np.random.default_rng(1).standard_cauchy(rounds))
    signs = np.array(list(itertools.product([-1, 1], repeat=rounds)))
    _, low, high = statistics.ratio(np.exp(signs * np.log1p(sizes)), np.ones(rounds))
    assert 100 * np.mean((low > 1) | (high < 1)) == pytest.approx(percent, abs=0.01)


# --- how often the intervals are right ------------------------------------------------------------------------------

RUNS = 20_000
ERROR = 3 * np.sqrt(0.95 * 0.05 / RUNS) * 100
"""Three standard errors of a simulated coverage, in percentage points: 0.46."""


def normal(random: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Cells vary by 3 %."""
    return random.standard_normal(shape) * 0.03


def student(random: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Cells vary by 5 %, with the tails of Student's t."""
    return random.standard_t(3, shape) * 0.03


def contaminated(random: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Every tenth cell varies 8 times as much."""
    return normal(random, shape) * np.where(random.random(shape) < 0.1, 8, 1)


def slowed(random: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Another process slows every tenth cell, by 35 % on average; no cell gets faster."""
    return normal(random, shape) + np.where(random.random(shape) < 0.1, random.exponential(0.3, shape), 0)


def skewed(random: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Cells are never faster than a minimum, and on average 3 % slower."""
    return random.exponential(0.03, shape)


def of_tests(random: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """The median of 7 tests that vary by 50 %; every tenth test takes about 3 times as long."""
    tests = random.standard_normal((*shape, 7)) * 0.5 + (random.random((*shape, 7)) < 0.1)
    return np.asarray(np.median(tests, axis=-1))


@dataclass(frozen=True)
class World:
    """How the log costs of a run's cells vary; the true costs of the two strategies are 1 and 2.5."""

    noise: Draw
    noise_of_second: Draw | None = None
    blocks: float = 0.0
    """Standard deviation of the effect of a round on all of its cells."""
    drift: float = 0.0
    """From the first cell of the run to the last; 6 cells in a round, in random order."""

    def cells(self, rounds: int, runs: int = RUNS) -> Floats:
        """Return seconds, of shape (2, runs, rounds)."""
        random = np.random.default_rng(20250101)
        shape = (runs, rounds)
        noise = np.stack([self.noise(random, shape), (self.noise_of_second or self.noise)(random, shape)])
        blocks = random.normal(0, self.blocks, shape)
        places = random.random((*shape, 6)).argsort(axis=-1)[..., :2] + 6 * np.arange(rounds)[:, None]
        drift = self.drift * np.moveaxis(places, -1, 0) / (6 * rounds - 1)
        return np.asarray(np.exp(noise + blocks + drift) * np.array([1, 2.5])[:, None, None])

    def truth(self) -> tuple[float, float]:
        """Return the true medians over rounds: of the first cost, and of the ratio of second to first."""
        first, second = self.cells(1, runs=300_000)[..., 0] if self.drift == 0 else np.ones((2, 1)) * [[1], [2.5]]
        return float(np.median(first) * np.exp(self.drift / 2)), float(np.median(second / first))


WORLDS = {
    "lognormal": World(normal),
    "heavy tails (t, 3 df)": World(student),
    "contaminated: every 10th cell x 8": World(contaminated),
    "every 10th cell slowed by 35 %": World(slowed),
    "skewed (exponential)": World(skewed),
    "medians of few, spiky tests": World(of_tests),
    "round effects, 5 x the noise": World(normal, blocks=0.15),
    "round effects and heavy tails": World(student, blocks=0.15),
    "only one strategy is slowed": World(normal, noise_of_second=slowed),
    "drift of 5 % over the run": World(normal, drift=0.05),
    "drift of 30 % over the run": World(normal, drift=0.3),
}
STEADY = [name for name, world in WORLDS.items() if world.drift == 0]
DRIFTING = [name for name, world in WORLDS.items() if world.drift]


def coverage(world: World, rounds: int) -> tuple[float, float]:
    """Return how often, in percent, the intervals of cost and ratio cover the truth."""
    first, second = world.cells(rounds)
    covered = []
    for truth, (_, low, high) in zip(
        world.truth(), (statistics.cost(first), statistics.ratio(second, first)), strict=True
    ):
        covered.append(100 * float(np.mean((low <= truth) & (truth <= high))))
    return covered[0], covered[1]


def report(name: str, figures: list[tuple[float, float]]) -> None:
    """Print one row of the table: costs at each number of rounds, then ratios."""
    costs, ratios = zip(*figures, strict=True)
    cells = " | ".join(f"{figure:.1f}" for figure in (*costs, *ratios))
    print(f"\n| {name} | {cells} |", end="")  # noqa: T201 - the table for the docs


@pytest.mark.thorough
@pytest.mark.parametrize("name", STEADY)
def test_coverage_is_93_to_97_percent(name: str) -> None:
    """At 6, 7 and 10 rounds both intervals cover the truth in 93 to 97 % of runs, and equals differ in <= 5 %."""
    figures = [coverage(WORLDS[name], rounds) for rounds in (6, 7, 10)]
    report(name, figures)
    for cost, ratio in figures:
        assert 93 - ERROR <= cost <= 97 + ERROR
        assert 95 - ERROR <= ratio <= 97 + ERROR


@pytest.mark.thorough
@pytest.mark.parametrize("name", DRIFTING)
def test_coverage_of_ratios_withstands_drift(name: str) -> None:
    """Drift widens the interval of a cost, so it covers too often; that of a ratio covers in 95 to 97 % of runs."""
    figures = [coverage(WORLDS[name], rounds) for rounds in (6, 7, 10)]
    report(name, figures)
    for cost, ratio in figures:
        assert cost >= 93 - ERROR
        assert 95 - ERROR <= ratio <= 97 + ERROR


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["lognormal", "heavy tails (t, 3 df)", "round effects, 5 x the noise"])
def test_coverage_with_few_rounds(name: str) -> None:
    """With 2, 3 and 5 rounds, as in --quick, Student's interval covers at least 93 % if noise is symmetric."""
    figures = [coverage(WORLDS[name], rounds) for rounds in (2, 3, 5)]
    report(f"2, 3, 5 rounds: {name}", figures)
    assert min(min(pair) for pair in figures) >= 93 - ERROR


# --- ties -----------------------------------------------------------------------------------------------------------


@st.composite
def differences(draw: st.DrawFn) -> tuple[int, set[tuple[int, int]]]:
    """Draw a number of items and the pairs of them that differ."""
    count = draw(st.integers(0, 9))
    pairs = list(itertools.combinations(range(count), 2))
    return count, {pair for pair in pairs if draw(st.booleans())}


@unhurried
@given(differences())
def test_two_share_a_letter_exactly_when_they_do_not_differ(case: tuple[int, set[tuple[int, int]]]) -> None:
    """For every pattern of differences, also for those that are not intervals."""
    count, differ = case
    shown = statistics.letters(count, lambda i, j: (i, j) in differ)
    for i, j in itertools.combinations(range(count), 2):
        assert bool(set(shown[i]) & set(shown[j])) == ((i, j) not in differ)


@unhurried
@given(differences())
def test_letters_follow_the_order_of_the_items(case: tuple[int, set[tuple[int, int]]]) -> None:
    """The first item has an "a", every item has a letter, and new letters appear in alphabetical order."""
    count, differ = case
    shown = statistics.letters(count, lambda i, j: (i, j) in differ)
    assert all(shown)
    assert "a" in "".join(shown[:1]) or not shown
    first_seen = list(dict.fromkeys("".join(shown)))
    assert first_seen == sorted(first_seen)


def test_letters_of_neighbours_that_tie() -> None:
    """In a chain, neighbours are tied and the ends differ."""
    assert statistics.letters(4, lambda i, j: j - i > 1) == ["a", "ab", "bc", "c"]


def test_more_groups_than_letters_still_have_one_character_each() -> None:
    """70 strategies that all differ have 70 different letters."""
    shown = statistics.letters(70, lambda i, j: True)  # noqa: ARG005 - all differ
    assert len(set(shown)) == 70
    assert {len(letter) for letter in shown} == {1}


@pytest.mark.parametrize(
    ("low", "high", "noise", "apart"),
    [
        (0.9, 1.1, 1.0, False),
        (1.01, 1.1, 1.0, True),
        (0.9, 0.99, 1.0, True),
        (1.01, 1.03, 1.05, False),
        (0.96, 0.99, 1.05, False),
        (1.01, 1.06, 1.05, True),
        (float("nan"), float("nan"), 1.05, False),
    ],
)
def test_a_difference_needs_an_interval_off_1_and_beyond_the_noise(
    low: float, high: float, noise: float, *, apart: bool
) -> None:
    """Two costs are tied if the interval covers 1, is within the A/A band or is missing."""
    assert statistics.significantly_different(low, high, noise) is apart


def test_noise_reaches_as_far_as_its_farther_side() -> None:
    """The numerator is arbitrary, so 0.8 to 1.01 reaches as far as 0.99 to 1.25; without an interval the reach is 1."""
    assert statistics.reach(0.8, 1.01) == pytest.approx(statistics.reach(0.99, 1.25)) == pytest.approx(1.25)
    assert statistics.reach(float("nan"), float("nan")) == 1


# --- who is first ---------------------------------------------------------------------------------------------------


def test_one_of_two_equals_is_first_by_chance_only() -> None:
    """With 3 and 7 rounds, one of two equals is 95 % sure in about 10 % of runs; a plain bootstrap in 16 to 36 %."""
    for rounds in (3, 7):
        random = np.random.default_rng(rounds)
        sure = 0
        for run in range(400):
            seconds = np.exp(random.normal(0, 0.05, (rounds, 2)) + random.normal(0, 0.2, (rounds, 1)))
            chances = statistics.probability_first(seconds, seed=run)
            assert chances is not None
            sure += chances.max() >= 0.95
        assert 0.05 <= sure / 400 <= 0.14


def test_the_chances_to_be_first_sum_to_1_and_depend_on_the_seed_alone() -> None:
    """The same run and seed give the same figures."""
    seconds = np.exp(np.random.default_rng(1).normal(0, 0.05, (7, 4)))
    chances = statistics.probability_first(seconds, seed=5)
    assert chances is not None
    assert chances.sum() == pytest.approx(1)
    assert np.array_equal(chances, np.asarray(statistics.probability_first(seconds, seed=5)))


def test_a_strategy_that_missed_a_slow_round_is_not_first_for_it() -> None:
    """A slower strategy that lacks the round in which everything took 10 times as long is not first."""
    random = np.random.default_rng(2)
    seconds = np.exp(random.normal(0, 0.001, (6, 2))) * [1.0, 1.1] * np.array([[1, 1, 1, 1, 1, 10]]).T
    seconds[5, 1] = np.nan
    chances = statistics.probability_first(seconds, seed=1)
    assert chances is not None
    assert chances[0] > 0.99


@pytest.mark.parametrize("seconds", [np.empty((0, 0)), np.ones((1, 3)), np.array([[1, 1], [1, np.nan]])])
def test_without_replication_there_is_no_probability(seconds: Floats) -> None:
    """Without strategies or with one round there is no probability."""
    assert statistics.probability_first(seconds, seed=1) is None


# --- noise ----------------------------------------------------------------------------------------------------------


def test_additive_effects_are_found_although_cells_are_missing() -> None:
    """Costs that are products of a strategy's and a round's factor are split exactly, even if cells are missing."""
    strategies, blocks = np.array([0.0, 1.0, -2.0]), np.array([-0.5, 0.2, 0.3, 0.0])
    seconds = np.exp(strategies + blocks[:, None])
    seconds[1, 2] = seconds[3, 0] = np.nan
    found = statistics.additive_effects(seconds)
    assert found[0] == pytest.approx(strategies)
    assert found[1] == pytest.approx(blocks)


def test_drift_is_the_change_over_the_whole_run() -> None:
    """A rise of 10 % over 40 cells is found despite noise and an outlier; noise alone is not drift."""
    noise = np.random.default_rng(3).normal(0, 0.01, 40)
    rising = noise + np.linspace(0, 0.1, 40)
    rising[-1] = 5
    assert statistics.drift(rising).change == pytest.approx(0.1, abs=0.015)
    assert statistics.drift(rising).p < 0.001
    assert statistics.drift(noise).p > 0.01


def test_lag_one_separates_slow_waves_from_noise() -> None:
    """A slow wave has a positive autocorrelation, independent noise none, alternation a negative one."""
    assert statistics.lag_one(np.sin(np.linspace(0, 6, 60))) > 0.9
    assert abs(statistics.lag_one(np.random.default_rng(4).normal(size=200))) < 0.2
    assert statistics.lag_one(np.tile([1.0, -1.0], 30)) < -0.9


def test_spread_is_a_standard_deviation_that_outliers_do_not_move() -> None:
    """For a normal sample it is the standard deviation, with or without outliers."""
    sample = np.random.default_rng(5).normal(0, 0.02, 2000)
    sample[:20] = 100
    assert statistics.spread(sample) == pytest.approx(0.02, rel=0.06)
