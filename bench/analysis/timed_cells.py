"""
The cells that strategies are compared by, one by one: when each ran, what it cost, how its tests spread.

What `bench/analysis/ranking.py` sums up over rounds, before it is summed up, and by the same rules: timed cells of the
base size and the first condition that finished, of strategies that are no traps; the later one counts where a strategy
has two in a round. Cells are read one at a time, and of each a few hundred figures are kept, so memory does not grow
with the number of tests.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from bench.results.records import WARM_UP, Cell, Run
from bench.strategy.declaration import TWIN

QUANTILES = 200
"""A cell of more tests than this is reduced to so many."""


@dataclass(frozen=True)
class Timed:
    """What is kept of a cell. Times are seconds."""

    strategy: str
    round: int
    position: int
    """Place within the round; in a sweep, cells of other sizes and conditions stand between."""
    cost: float
    """Per test: the median over its tests."""
    tests: tuple[float, ...]
    """Of each test, shortest first; of more than `QUANTILES` tests, the quantiles in the middles of equal shares."""


def timed(run: Run, cells: Iterable[Cell]) -> tuple[Timed, ...]:
    """
    Return the cells that count, in the order in which they ran; those of the floor's hidden twin are left out.

    :param cells: in the order in which they ran; they are read one at a time.
    """
    shown = {facts.name for facts in run.strategies if not facts.is_trap} - {TWIN}
    kept = {
        (cell.strategy, cell.round): _reduce(cell)
        for cell in cells
        if not cell.condition and cell.strategy in shown and cell.size == run.workload.size and cell.round != WARM_UP
    }
    return tuple(sorted((one for one in kept.values() if one), key=lambda one: (one.round, one.position)))


def _reduce(cell: Cell) -> Timed | None:
    if cell.cost is None:
        return None
    tests = np.sort(cell.per_test)
    if len(tests) > QUANTILES:
        tests = np.quantile(tests, (np.arange(QUANTILES) + 0.5) / QUANTILES)
    return Timed(cell.strategy, cell.round, cell.position, cell.cost, tuple(tests.tolist()))
