"""
Runs the rounds: every cell once per round, in a random order, results written as they come, until enough is known.

A round is a randomised complete block: whatever disturbs the machine for a while meets all strategies alike. Before the
first, the traps run, since nobody times them, and with them the floor: that warms up what all cells share. When it is
enough, `bench/stopping.py` says.
"""

import random
import secrets
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from bench.cell import CellOrder, run_cell
from bench.results import WARM_UP, Cell, append_cell
from bench.server import Server
from bench.stopping import Costs, Limits, resting, verdict
from bench.strategy import FLOOR, LoadedStrategy, Trap
from bench.workload import SHAPES

FEWEST_ROUNDS_AT_ALL = 3
"""However small the budget: with fewer there is hardly an interval."""

SLACK = 1.15
"""A round may take so many times as long as the last one did."""

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
    tests: int
    limits: Limits
    seed: int
    cell_timeout: float
    """Seconds after which a cell is killed."""


def round_orders(plan: Plan, number: int) -> list[CellOrder]:
    """
    Return the cells of a round in their order.

    Seed and number alone decide it, so that a round is the same whoever sits it out.
    """
    orders = [
        CellOrder(strategy, _tests(plan, strategy), number, 0)
        for strategy in plan.strategies
        if isinstance(strategy.declared, Trap) == (number == WARM_UP) or (number == WARM_UP and strategy.name == FLOOR)
    ]
    random.Random(f"{plan.seed} {number}").shuffle(orders)  # noqa: S311 - an order to be repeated, not a secret
    return [replace(order, position=position) for position, order in enumerate(orders)]


def _tests(plan: Plan, strategy: LoadedStrategy) -> int:
    return max(plan.tests, FEWEST_TESTS_OF_A_TRAP) if isinstance(strategy.declared, Trap) else plan.tests


def run(plan: Plan, server: Server, folder: Path, watcher: Watcher) -> list[str]:
    """
    Run rounds until enough is known, each cell appended to the run's file as it ends.

    :returns: what was decided and why, a sentence each.
    :raises UserError: a strategy breaks the contract, or the folder cannot be written.
    """
    return _Run(plan, server, folder, watcher).rounds()


class _Run:
    """What is known while a run goes on."""

    def __init__(self, plan: Plan, server: Server, folder: Path, watcher: Watcher) -> None:
        self._plan = plan
        self._server = server
        self._folder = folder
        self._watcher = watcher
        self._token = secrets.token_hex(4)
        self._started = time.monotonic()
        self._seconds: dict[str, float] = {}  # of each strategy's last cell
        self._costs: Costs = {}
        self._resting: dict[str, str] = {}  # strategy -> why

    def rounds(self) -> list[str]:
        self._round(WARM_UP)
        number = WARM_UP
        while True:
            number += 1
            self._round(number)
            if why := self._enough(number):
                return [*self._resting.values(), f"after round {number}: stopped, {why}."]

    def _round(self, number: int) -> None:
        orders = [order for order in round_orders(self._plan, number) if order.strategy.name not in self._resting]
        for place, order in enumerate(orders):
            self._watcher.started(order, self._remaining(number, orders[place:]))
            cell = self._cell(order)
            append_cell(self._folder, cell)
            self._watcher.finished(cell)

    def _cell(self, order: CellOrder) -> Cell:
        name = order.strategy.name
        started = time.monotonic()
        database = f"looptrap_{self._token}_{order.round}_{order.position}"
        cell = run_cell(order, self._server, database, self._plan.cell_timeout)
        self._seconds[name] = time.monotonic() - started
        if order.round != WARM_UP and cell.status == "finished":
            samples = cell.samples
            per_test = map(sum, zip(samples.setup, samples.call, samples.teardown, strict=True))
            self._costs.setdefault(name, {})[order.round] = statistics.median(per_test)
        return cell

    def _enough(self, number: int) -> str:
        """Say why no further round is needed; empty when one is."""
        limits = self._plan.limits
        if number >= limits.most:
            return f"the {number} rounds asked for are done" if limits.fixed else f"{number} rounds are the most"
        if limits.fixed:
            return ""
        for name in resting(self._costs, self._seconds) - self._resting.keys():
            self._resting[name] = f"after round {number}: {name} sat out the rest, slow and far from its neighbours."
        next_round = sum(seconds for name, seconds in self._seconds.items() if self._takes_part(name))
        if number >= FEWEST_ROUNDS_AT_ALL and time.monotonic() - self._started + SLACK * next_round > limits.seconds:
            return f"another round does not fit into the budget of {limits.seconds:.0f} s"
        return verdict(self._costs) if number >= limits.fewest else ""

    def _takes_part(self, name: str) -> bool:
        return name in self._costs and name not in self._resting

    def _remaining(self, number: int, orders: Sequence[CellOrder]) -> float | None:
        """Add up the last durations of this round and of all that may follow, within the budget."""
        if number == WARM_UP:
            return None
        mean = statistics.mean(self._seconds.values())

        def seconds(orders: Sequence[CellOrder]) -> float:
            return sum(self._seconds.get(order.strategy.name, mean) for order in orders)

        limits = self._plan.limits
        later = [order for order in round_orders(self._plan, 1) if order.strategy.name not in self._resting]
        at_most = seconds(orders) + (limits.most - number) * seconds(later)
        in_budget = limits.seconds - (time.monotonic() - self._started)
        at_least = seconds(orders) + max(0, FEWEST_ROUNDS_AT_ALL - number) * seconds(later)
        return max(at_least, min(at_most, in_budget))
