"""
Runs the rounds: every cell once per round, in a random order, results written as they come, until enough is known.

A round is a randomised complete block: whatever disturbs the machine for a while meets all strategies alike. Before the
first, the traps run, since nobody times them, and with them the floor: that warms up what all cells share. When it is
enough, `bench/measure/stopping.py` says.
"""

import random
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, Protocol

from bench.measure.cell import CellOrder, clear_away, run_cell
from bench.measure.stopping import EQUAL_WITHIN, Costs, Limits, all_settled, resting
from bench.measure.sweep import ConditionSpec
from bench.results.errors import unwritable
from bench.results.files import append_cell, drop_torn_line, read_cells
from bench.results.records import WARM_UP, Cell, Decision, DecisionKind, Size
from bench.server import Server, ServerDiedError
from bench.strategy.declaration import FLOOR, Trap
from bench.strategy.loaded import LoadedStrategy
from bench.workload import SHAPES

FEWEST_ROUNDS_AT_ALL = 3
"""However small the budget: with fewer there is hardly an interval."""

SLACK = 1.15
"""A round may take so many times as long as the last one did."""

CELL_FOLDER = ".cell"
"""Within the run's folder: what passes between harness and the cell that runs; gone when it is over."""

FEWEST_TESTS_OF_A_TRAP = len(SHAPES)
"""A trap's pattern, such as every other test, takes a few tests to be seen."""


class Watcher(Protocol):
    """Whoever shows the progress of a run."""

    def started(self, order: CellOrder, remaining: float | None) -> None:
        """Tell that a cell starts, and how many seconds the run may still take at most, where that can be said."""

    def finished(self, cell: Cell) -> None:
        """Tell that a cell is over and on disk."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be run."""

    strategies: Sequence[LoadedStrategy]
    sizes: Sequence[Size]
    """The first is the one that strategies are compared by; traps and the warm-up have no other."""
    limits: Limits
    seed: int
    cell_timeout: float
    """Seconds after which a cell is killed."""
    conditions: Sequence[ConditionSpec] = field(default_factory=lambda: [ConditionSpec()])
    """The first is the one that strategies are compared under, the only one with other sizes than the first."""


def round_orders(plan: Plan, number: int) -> list[CellOrder]:
    """
    Return the cells of a round in their order.

    Seed and number alone decide it, so that a round is the same whoever sits it out.
    """
    if number == WARM_UP:
        orders = [
            _order(condition, strategy, _size(plan, strategy), number)
            for condition in plan.conditions
            for strategy in plan.strategies
            if isinstance(strategy.declared, Trap) or strategy.name == FLOOR
        ]
    else:
        timed = [strategy for strategy in plan.strategies if not isinstance(strategy.declared, Trap)]
        orders = [
            _order(condition, strategy, size, number)
            for place, condition in enumerate(plan.conditions)
            for strategy in timed
            for size in (plan.sizes[:1] if place else plan.sizes)
        ]
    orders = [order for order in orders if not order.strategy.why_not(order.client)]
    random.Random(f"{plan.seed} {number}").shuffle(orders)  # noqa: S311 - an order to be repeated, not a secret
    return [replace(order, position=position) for position, order in enumerate(orders)]


def _order(condition: ConditionSpec, strategy: LoadedStrategy, size: Size, number: int) -> CellOrder:
    return CellOrder(strategy, size, number, 0, condition.client, condition.name)


def _size(plan: Plan, strategy: LoadedStrategy) -> Size:
    base = plan.sizes[0]
    fewest = FEWEST_TESTS_OF_A_TRAP if isinstance(strategy.declared, Trap) else 1
    return replace(base, tests=max(base.tests, fewest))


def run(
    plan: Plan, servers: Mapping[str, Server], folder: Path, database_prefix: str, watcher: Watcher
) -> list[Decision]:
    """
    Run rounds until enough is known, each cell appended to the run's file as it ends; what is there already stays.

    :param servers: by the names of the plan's conditions.
    :param folder: of the run. Cells that are in it, whoever ran them, are not run again.
    :param database_prefix: what the names of its databases begin with, `looptrap_*`.
    :returns: which strategies sat out some rounds, and last why the rounds ended.
    :raises UserError: a strategy breaks the contract, or the folder cannot be written.
    :raises ServerDiedError: the server died; if under a cell, that cell is on disk as failed.
    """
    clear_away(folder / CELL_FOLDER)
    drop_torn_line(folder)
    done = {(brief.kind, brief.round): brief for brief in map(_reduce, read_cells(folder))}
    return _Run(plan, servers, folder, database_prefix, watcher, done).rounds()


_Kind = tuple[str, Size, str]
"""Strategy, size, condition: what there is one cell of in each round."""


class _Brief(NamedTuple):
    """What the schedule needs to know of a cell that is over."""

    kind: _Kind
    round: int
    wall: float
    cost: float | None
    """Seconds per test, where it finished."""


def _reduce(cell: Cell) -> _Brief:
    return _Brief((cell.strategy, cell.size, cell.condition), cell.round, cell.wall, cell.cost)


def _kind(order: CellOrder) -> _Kind:
    return order.strategy.name, order.size, order.condition


class _Run:
    """What is known while a run goes on."""

    def __init__(  # noqa: PLR0917 - called in one place, a line above
        self,
        plan: Plan,
        servers: Mapping[str, Server],
        folder: Path,
        database_prefix: str,
        watcher: Watcher,
        done: Mapping[tuple[_Kind, int], _Brief],
    ) -> None:
        self._plan = plan
        self._servers = servers
        self._folder = folder
        self._database_prefix = database_prefix
        self._watcher = watcher
        self._done = done
        self._begun = max((number for _, number in done), default=WARM_UP)  # the last round that has a cell
        self._walls: dict[_Kind, float] = {}  # seconds that each one's last cell took
        self._walls_so_far = sum(brief.wall for brief in done.values())
        # How long an earlier process was at it is not known; what its cells took comes close.
        self._started = time.monotonic() - self._walls_so_far
        self._costs: Costs = {}
        self._resting: dict[str, Decision] = {}  # by strategy

    def rounds(self) -> list[Decision]:
        number = WARM_UP
        self._round(number)
        while True:
            number += 1
            self._round(number)
            if last := self._enough(number):
                return [*self._resting.values(), last]

    def _round(self, number: int) -> None:
        orders = [order for order in round_orders(self._plan, number) if order.strategy.name not in self._resting]
        for place, order in enumerate(orders):
            if (brief := self._done.get((_kind(order), number))) is None:
                self._watcher.started(order, self._remaining(number, orders[place:]))
                brief = _reduce(self._cell(order))
                self._walls_so_far += brief.wall
            self._walls[brief.kind] = brief.wall
            if number != WARM_UP and brief.kind == self._compared(order.strategy.name) and brief.cost is not None:
                self._costs.setdefault(order.strategy.name, {})[number] = brief.cost

    def _compared(self, strategy: str) -> _Kind:
        return strategy, self._plan.sizes[0], self._plan.conditions[0].name

    def _cell(self, order: CellOrder) -> Cell:
        database = f"{self._database_prefix}{order.round}_{order.position}"
        scratch = self._folder / CELL_FOLDER
        try:
            scratch.mkdir()
            cell = run_cell(order, self._servers[order.condition], database, self._plan.cell_timeout, scratch)
        except OSError as error:
            raise unwritable(self._folder, error) from error
        finally:
            clear_away(scratch)
        append_cell(self._folder, cell)
        self._watcher.finished(cell)
        if cell.status == "server died":
            raise ServerDiedError(cell.detail)
        return cell

    def _enough(self, number: int) -> Decision | None:
        """Return why no further round is needed; None when one is."""
        limits = self._plan.limits
        if number >= limits.most:
            return Decision(DecisionKind.ROUNDS_DONE if limits.fixed else DecisionKind.MOST_ROUNDS, number)
        if limits.fixed:
            return None
        walls = {
            name: sum(wall for (other, _, _), wall in self._walls.items() if other == name) for name in self._costs
        }
        for name in resting(self._costs, walls) - self._resting.keys():
            self._resting[name] = Decision(DecisionKind.STRATEGY_RESTS, number, strategy=name)
        if number < self._begun:
            return None  # it was not enough then, else the next round would not have begun
        going_on = self._costs.keys() - self._resting.keys()
        next_round = self._seconds([kind for kind in self._walls if kind[0] in going_on])
        if number >= FEWEST_ROUNDS_AT_ALL and self._elapsed() + SLACK * next_round > limits.seconds:
            return Decision(DecisionKind.BUDGET, number, seconds=limits.seconds)
        if number >= limits.fewest and all_settled(self._costs):
            return Decision(DecisionKind.PAIRS_SETTLED, number, equal_within=EQUAL_WITHIN)
        return None

    def _elapsed(self) -> float:
        return time.monotonic() - self._started

    def _seconds(self, kinds: Iterable[_Kind]) -> float:
        """Return how long cells will take: as long as they last did, and what lies between cells in proportion."""
        mean = statistics.mean(self._walls.values())
        base = self._plan.sizes[0].tests
        walls = (self._walls.get(kind, mean * kind[1].tests / base) for kind in kinds)
        return sum(walls) * self._elapsed() / self._walls_so_far

    def _remaining(self, number: int, orders: Sequence[CellOrder]) -> float | None:
        """Add up the last durations of this round and of all that may follow, within the budget."""
        if number == WARM_UP or not self._walls:
            return None

        def seconds(orders: Sequence[CellOrder]) -> float:
            return self._seconds(map(_kind, orders))

        limits = self._plan.limits
        later = [order for order in round_orders(self._plan, 1) if order.strategy.name not in self._resting]
        at_most = seconds(orders) + (limits.most - number) * seconds(later)
        in_budget = limits.seconds - self._elapsed()
        at_least = seconds(orders) + max(0, min(FEWEST_ROUNDS_AT_ALL, limits.most) - number) * seconds(later)
        return max(at_least, min(at_most, in_budget))
