"""
Runs the rounds: each cell once per round, in a random order, until the stopping rule or a limit ends the run.

A round is a randomised complete block, so a temporary disturbance of the machine affects all strategies alike. The
warm-up round comes first. It runs the traps, which are not timed, and each strategy once in a new interpreter: that
fills caches, and shows how long a suite takes to start and a round to run.
"""

import contextlib
import math
import random
import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, Protocol

from bench.measure.cell import CellOrder, clear_away, run_cell
from bench.measure.child import Spawn
from bench.measure.stopping import EQUAL_WITHIN, Costs, Limits, all_settled, resting
from bench.measure.sweep import ConditionSpec
from bench.measure.templates import START, Templates
from bench.results.errors import UserError, unwritable
from bench.results.files import append_cell, drop_torn_line, read_cells
from bench.results.records import WARM_UP, Cell, Decision, DecisionKind, ProcessStart, Size
from bench.server import Server, ServerDiedError
from bench.strategy.declaration import FLOOR, Trap
from bench.strategy.loaded import LoadedStrategy
from bench.workload import SHAPES

FEWEST_ROUNDS_AT_ALL = 3
"""The fewest timed rounds of any run, however small its time limit: intervals from fewer are too wide."""

FASTEST_CELL = 0.2
"""Seconds: no cell takes less on any machine that we know."""

SLACK = 1.15
"""The next round may take this many times as long as the last one."""

AT_ONCE = 12
"""Databases that are made before their cells run, and dropped together afterwards."""

MADE_AT_ONCE = 4
"""Databases that are made or dropped at the same time; most of that time is waiting for the disk."""

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
            for place, condition in enumerate(plan.conditions)
            for strategy in plan.strategies
            if place == 0 or isinstance(strategy.declared, Trap) or strategy.name == FLOOR
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
    is_trap = isinstance(strategy.declared, Trap)
    # A new interpreter shows what starting a suite takes.
    spawned = not strategy.declared.forkable or (number == WARM_UP and not is_trap)
    start: ProcessStart = "spawned" if spawned else START
    return CellOrder(strategy, size, number, 0, condition.client, condition.name, start)


def _size(plan: Plan, strategy: LoadedStrategy) -> Size:
    """Return the size of a warm-up cell: enough tests to show the pattern of a trap, and few for other strategies."""
    base = plan.sizes[0]
    pick = max if isinstance(strategy.declared, Trap) else min
    return replace(base, tests=pick(base.tests, FEWEST_TESTS_OF_A_TRAP))


_Kind = tuple[str, Size, str]
"""Strategy, size and condition. Each round has one cell of each kind."""


def refuse_budget(plan: Plan) -> None:
    """
    Refuse a time limit that not even the fastest strategies could keep.

    :raises UserError: it is one.
    """
    cells = len(round_orders(plan, 1))
    least = math.ceil(FEWEST_ROUNDS_AT_ALL * cells * FASTEST_CELL)
    if not plan.limits.fixed and plan.limits.seconds < least:
        raise UserError(
            f"--budget {plan.limits.seconds:g}s cannot hold {FEWEST_ROUNDS_AT_ALL} rounds of {cells} cells, which take "
            f"{least} s or more: raise it, or name fewer --strategies."
        )


class _Brief(NamedTuple):
    """What the schedule needs to know about a finished cell."""

    kind: _Kind
    round: int
    wall: float
    cost: float | None
    """Seconds per test; None if it did not finish."""
    expected: float
    """Seconds that such a cell takes in a timed round."""


def _kind(order: CellOrder) -> _Kind:
    return order.strategy.name, order.size, order.condition


class Schedule:
    """
    Runs the rounds of a plan. Each cell is appended to the run's file as it ends, and never run again.

    :param servers: by condition name.
    :param folder: of the run. It may hold cells of an earlier, interrupted process.
    :param database_prefix: of the names of its databases, `looptrap_*`.
    :raises UserError: the folder cannot be written.
    """

    def __init__(
        self,
        plan: Plan,
        servers: Mapping[str, Server],
        folder: Path,
        database_prefix: str,
        watcher: Watcher,
    ) -> None:
        clear_away(folder / CELL_FOLDER)
        drop_torn_line(folder)
        self._plan = plan
        self._servers = servers
        self._folder = folder
        self._database_prefix = database_prefix
        self._watcher = watcher
        self._done = {
            (cell.strategy, cell.size, cell.condition, cell.round): self._brief(cell) for cell in read_cells(folder)
        }
        self._begun = max((brief.round for brief in self._done.values()), default=WARM_UP)
        self._expected: dict[_Kind, float] = {}
        self._cells = 0  # that this process has run
        self._between = 0.0  # seconds that it spent beside them
        # How long an earlier process took is not known; the wall time of its timed cells comes close.
        self._earlier = sum(brief.wall for brief in self._done.values() if brief.round != WARM_UP)
        self._costs: Costs = {}
        self._resting: dict[str, Decision] = {}  # by strategy

    def warm_up(self) -> float:
        """
        Run the warm-up round, and return how many seconds a timed round will take.

        :raises UserError: a strategy breaks the contract, or the time limit cannot hold three rounds.
        :raises ServerDiedError: the server died.
        """
        self._round(WARM_UP)
        seconds = self._seconds(map(_kind, round_orders(self._plan, 1)))
        needed = FEWEST_ROUNDS_AT_ALL * seconds
        if self._begun == WARM_UP and not self._plan.limits.fixed and needed > self._plan.limits.seconds:
            raise UserError(
                f"--budget {self._plan.limits.seconds:g}s cannot hold {FEWEST_ROUNDS_AT_ALL} rounds, which take about "
                f"{seconds:.0f} s each here: give --budget {math.ceil(needed * SLACK)}s, or name fewer --strategies."
            )
        return seconds

    def rounds(self) -> list[Decision]:
        """
        Run timed rounds until enough is known.

        :returns: which strategies sat out some rounds, and last why the rounds ended.
        :raises UserError: a strategy breaks the contract, or the folder cannot be written.
        :raises ServerDiedError: the server died; if under a cell, that cell is on disk as failed.
        """
        self._started = time.monotonic() - self._earlier
        number = WARM_UP
        while True:
            number += 1
            self._round(number)
            if last := self._enough(number):
                return [*self._resting.values(), last]

    def _round(self, number: int) -> None:
        orders = [order for order in round_orders(self._plan, number) if order.strategy.name not in self._resting]
        waiting = [order for order in orders if (*_kind(order), number) not in self._done]
        began, walls = time.monotonic(), 0.0
        hash_seed = random.Random(f"hash {self._plan.seed} {number}").getrandbits(32)  # noqa: S311 - to be repeated
        with Templates(hash_seed) as templates:
            for order in waiting:
                if order.start == "forked":
                    templates.start_of(order.client)
            for first in range(0, len(waiting), AT_ONCE):
                batch = waiting[first : first + AT_ONCE]
                with self._databases(batch) as urls:
                    templates.wait()
                    for place, (order, url) in enumerate(zip(batch, urls, strict=True), start=first):
                        self._watcher.started(order, self._remaining(number, waiting[place:]))
                        brief = self._cell(order, url, templates, hash_seed)
                        self._done[*_kind(order), number] = brief
                        walls += brief.wall
        self._cells += len(waiting)
        self._between += time.monotonic() - began - walls
        for order in orders:
            brief = self._done[*_kind(order), number]
            self._expected[self._kind_in_rounds(order)] = brief.expected
            if number != WARM_UP and brief.kind == self._compared(order.strategy.name) and brief.cost is not None:
                self._costs.setdefault(order.strategy.name, {})[number] = brief.cost

    def _kind_in_rounds(self, order: CellOrder) -> _Kind:
        """Return what a cell stands for in the timed rounds: one of the warm-up round may have fewer tests."""
        size = order.size if order.round != WARM_UP else self._plan.sizes[0]
        return order.strategy.name, size, order.condition

    def _compared(self, strategy: str) -> _Kind:
        return strategy, self._plan.sizes[0], self._plan.conditions[0].name

    @contextlib.contextmanager
    def _databases(self, orders: Sequence[CellOrder]) -> Iterator[list[str]]:
        """Make a database for each cell while nothing is measured, and drop them when all cells have run."""
        names = [f"{self._database_prefix}{order.round}_{order.position}_" for order in orders]
        servers = [self._servers[order.condition] for order in orders]
        try:
            with ThreadPoolExecutor(MADE_AT_ONCE) as pool:
                urls = list(pool.map(Server.create_database, servers, names))
            yield urls
        finally:
            with ThreadPoolExecutor(MADE_AT_ONCE) as pool:
                # With what strategies have made beside them.
                list(pool.map(Server.drop_databases, servers, names))

    def _cell(self, order: CellOrder, url: str, templates: Templates, hash_seed: int) -> _Brief:
        scratch = self._folder / CELL_FOLDER
        start = Spawn(order.client.interpreter or sys.executable)
        try:
            scratch.mkdir()
            cell = run_cell(
                *(order, self._servers[order.condition], url, self._plan.cell_timeout, scratch),
                templates.start_of(order.client) if order.start == "forked" else start,
                hash_seed=hash_seed,
            )
        except OSError as error:
            raise unwritable(self._folder, error) from error
        finally:
            clear_away(scratch)
        append_cell(self._folder, cell)
        self._watcher.finished(cell)
        if cell.status == "server died":
            raise ServerDiedError(cell.detail)
        return self._brief(cell)

    def _brief(self, cell: Cell) -> _Brief:
        expected = cell.wall
        if cell.round == WARM_UP and cell.cost is not None:
            expected += (self._plan.sizes[0].tests - cell.size.tests) * cell.cost
            expected -= cell.startup + cell.shutdown if START == "forked" else 0
        return _Brief((cell.strategy, cell.size, cell.condition), cell.round, cell.wall, cell.cost, expected)

    def _enough(self, number: int) -> Decision | None:
        """Return why the run ends after this round; None if it continues."""
        limits = self._plan.limits
        if number >= limits.most:
            return Decision(DecisionKind.ROUNDS_DONE if limits.fixed else DecisionKind.MOST_ROUNDS, number)
        if limits.fixed:
            return None
        walls = {
            name: sum(seconds for (other, _, _), seconds in self._expected.items() if other == name)
            for name in self._costs
        }
        for name in resting(self._costs, walls) - self._resting.keys():
            self._resting[name] = Decision(DecisionKind.STRATEGY_RESTS, number, strategy=name)
        if number < self._begun:
            return None  # a resumed run: the next round has begun, so the run did not end after this one
        going_on = self._costs.keys() - self._resting.keys()
        next_round = self._seconds([kind for kind in self._expected if kind[0] in going_on])
        if number >= FEWEST_ROUNDS_AT_ALL and self._elapsed() + SLACK * next_round > limits.seconds:
            return Decision(DecisionKind.BUDGET, number, seconds=limits.seconds)
        if number >= limits.fewest and all_settled(self._costs):
            return Decision(DecisionKind.PAIRS_SETTLED, number, equal_within=EQUAL_WITHIN)
        return None

    def _elapsed(self) -> float:
        return time.monotonic() - self._started

    def _seconds(self, kinds: Iterable[_Kind]) -> float:
        """Estimate how long cells take, from such cells so far and the time between cells so far."""
        kinds = list(kinds)
        mean = statistics.mean(self._expected.values())
        base = self._plan.sizes[0].tests
        walls = (self._expected.get(kind, mean * kind[1].tests / base) for kind in kinds)
        return sum(walls) + len(kinds) * self._between / max(1, self._cells)

    def _remaining(self, number: int, orders: Sequence[CellOrder]) -> float | None:
        """Estimate the remaining time, within the time limit."""
        if number == WARM_UP:
            return None

        def seconds(orders: Sequence[CellOrder]) -> float:
            return self._seconds(map(_kind, orders))

        limits = self._plan.limits
        later = [order for order in round_orders(self._plan, 1) if order.strategy.name not in self._resting]
        at_most = seconds(orders) + (limits.most - number) * seconds(later)
        in_budget = limits.seconds - self._elapsed()
        at_least = seconds(orders) + max(0, min(FEWEST_ROUNDS_AT_ALL, limits.most) - number) * seconds(later)
        return max(at_least, min(at_most, in_budget))
