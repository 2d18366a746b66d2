"""Which cells count one by one, in which order, and how little is kept of each."""

import dataclasses
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from bench.analysis.ranking import analyse
from bench.analysis.timed_cells import QUANTILES, timed
from bench.results.records import Cell, Samples, Size
from tests.made_runs import COSTS, FAST, NONE, SLOW, TWIN, a_cell, a_run, by_name, crashed, facts, rounds_of

RUN = a_run(NONE, TWIN, FAST, SLOW, facts("trap", errors=(("RuntimeError", "loop"),), failures="all fail"))


def test_the_cells_are_those_that_the_analysis_sums_up() -> None:
    """The median over a strategy's cells is its cost per test, with a warm-up, a sweep, a crash and a resume about."""
    other = dataclasses.replace(a_cell("fast", 3, 9.0), size=Size(20, 50, 0))
    again = [a_cell("slow", 4, 7.0), *rounds_of(COSTS), crashed("fast", 5)]
    cells = [a_cell("none", 0, 9.0), a_cell("trap", 0, outcomes="F" * 20), *again, other]
    found = timed(RUN, cells)
    assert {one.strategy for one in found} == {"none", "fast", "slow"}
    for name, result in by_name(analyse(RUN, cells)).items():
        assert result.per_test
        costs = [one.cost for one in found if one.strategy == name]
        assert len(costs) == result.rounds
        assert np.median(costs) == pytest.approx(result.per_test.value, rel=0.01)


def test_cells_come_in_the_order_in_which_they_ran() -> None:
    """By rounds, then by places within them, also where a resume has run a cell of an early round last."""
    cells = [a_cell("fast", 2, position=1), a_cell("slow", 2, position=0), a_cell("fast", 1, position=3)]
    assert [(one.strategy, one.round) for one in timed(RUN, cells)] == [("fast", 1), ("slow", 2), ("fast", 2)]


def test_the_tests_of_a_short_cell_are_all_kept() -> None:
    """Of 20 tests each stands there, the shortest first."""
    (one,) = timed(RUN, [a_cell("fast", 1, 0.010)])
    assert one.tests == pytest.approx([0.010] * 19 + [0.5])


def test_of_many_tests_the_quantiles_are_kept() -> None:
    """Of 10,000 tests from 0 to 1 s, 200 figures in even steps say how they spread, and memory does not grow."""
    times = tuple((np.arange(10_000) / 10_000).tolist())
    nothing = (0.0,) * 10_000
    samples = Samples(setup=times, call=nothing, teardown=nothing, outcomes="." * 10_000)

    def stream() -> Iterator[Cell]:
        for number in range(1, 21):
            yield dataclasses.replace(a_cell("fast", number), samples=samples)

    tracemalloc.start()
    found = timed(RUN, stream())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found[0].tests == pytest.approx((np.arange(QUANTILES) + 0.5) / QUANTILES, abs=1e-3)
    assert peak < 5e6
