"""
Runs the rounds: each cell once per round, in a random order, until the stopping rule or a limit ends the run.

A round is a randomised complete block, so a temporary disturbance of the machine affects all strategies alike. The
warm-up round comes first. It has the traps, which are not timed, and the floor, and fills the caches that cells share.
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
"""The fewest timed rounds of any run, however small its time limit: intervals from fewer are too wide."""

SLACK = 1.15
"""The next round may take this many times as long as the last one."""

CELL_FOLDER = ".cell"
"""The folder inside the run's folder for the files of the current cell. It is removed after the cell."""

FEWEST_TESTS_OF_A_TRAP = len(SHAPES)
"""It takes a few tests to recognise the pattern of a trap's failures, such as every other test."""


class Watcher(Protocol):
    """Shows the progress of a run."""

    def started(self, order: CellOrder, remaining: float | None) -> None:
        """Show that a cell starts, and how many seconds the run may still take at most; None if unknown."""

    def finished(self, cell: Cell) -> None:
        """Show that a cell has ended and is on disk."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run consists of."""

    strategies: Sequence[LoadedStrategy]
    sizes: Sequence[Size]
    """Strategies are compared at the first size, which is also that of traps and warm-up cells."""
    limits: Limits
    seed: int
    cell_timeout: float
    """Seconds after which a cell is killed."""
    conditions: Sequence[ConditionSpec] = field(default_factory=lambda: [ConditionSpec()])
    """Strategies are compared under the first condition, and only there at other sizes."""


def round_orders(plan: Plan, number: int) -> list[CellOrder]:
    """
    Return the cells of a round in their order.

    The order depends only on the seed and the number, not on the strategies that rest.
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
    Run rounds until the stopping rule or a limit ends them. Each cell is appended to the run's file when it ends.

    :param servers: by condition name.
    :param folder: of the run. Cells that are already in it are not run again.
    :param database_prefix: of the names of its databases, `looptrap_*`.
    :returns: the strategies that rested, and last the reason why the rounds ended.
    :raises UserError: a strategy breaks the contract, or the folder cannot be written.
    :raises ServerDiedError: the server died; if this was during a cell, the cell is on disk.
    """
    clear_away(folder / CELL_FOLDER)
    drop_torn_line(folder)
    done = {(brief.kind, brief.round): brief for brief in map(_reduce, read_cells(folder))}
    return _Run(plan, servers, folder, database_prefix, watcher, done).rounds()


_Kind = tuple[str, Size, str]
"""Strategy, size and condition. Each round has one cell of each kind."""


class _Brief(NamedTuple):
    """What the schedule needs to know about a finished cell."""

    kind: _Kind
    round: int
    wall: float
    cost: float | None
    """Seconds per test; None if it did not finish."""


def _reduce(cell: Cell) -> _Brief:
    return _Brief((cell.strategy, cell.size, cell.condition), cell.round, cell.wall, cell.cost)


def _kind(order: CellOrder) -> _Kind:
    return order.strategy.name, order.size, order.condition


class _Run:
    """The state of the rounds."""

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
        # After a resume, the time that the earlier process took is unknown; the sum of its cells comes close.
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
        """Return why the run ends after this round; None if it continues."""
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
            return None  # a resumed run: the next round has begun, so the run did not end after this one
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
        """Estimate how long cells take, from their last durations and the overhead between cells so far."""
        mean = statistics.mean(self._walls.values())
        base = self._plan.sizes[0].tests
        walls = (self._walls.get(kind, mean * kind[1].tests / base) for kind in kinds)
        return sum(walls) * self._elapsed() / self._walls_so_far

    def _remaining(self, number: int, orders: Sequence[CellOrder]) -> float | None:
        """Estimate the remaining time from the last durations of the cells, within the time limit."""
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
