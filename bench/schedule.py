"""
Runs the rounds: every cell once per round, in a random order, results written as they come.

A round is a randomised complete block: whatever disturbs the machine for a while meets all strategies alike. The first
round warms up and is discarded; the traps run in it, since nobody times them.
"""

import random
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from bench.cell import CellOrder, run_cell
from bench.results import WARM_UP, Cell, append_cell
from bench.server import Server
from bench.strategy import LoadedStrategy, Trap
from bench.workload import SHAPES


class Watcher(Protocol):
    """Whoever shows the progress of a run."""

    def started(self, order: CellOrder, remaining: float | None) -> None:
        """Tell that a cell starts, and how many seconds the run may still take, where that can be said."""

    def finished(self, cell: Cell) -> None:
        """Tell that a cell is over and on disk."""


@dataclass(frozen=True)
class Plan:
    """What a run consists of: the cells in the order in which they run."""

    orders: tuple[CellOrder, ...]


def plan(strategies: Sequence[LoadedStrategy], *, tests: int, rounds: int, seed: int) -> Plan:
    """
    Put the cells in order: a warm-up round, then `rounds` timed ones, each shuffled.

    The same seed gives the same order. A trap needs a few tests to show its pattern, so it never gets fewer than one of
    each shape.
    """
    shuffler = random.Random(seed)  # noqa: S311 - an order to be repeated, not a secret
    orders: list[CellOrder] = []
    for number in range(WARM_UP, rounds + 1):
        cells = [
            CellOrder(
                strategy=strategy,
                tests=max(tests, len(SHAPES)) if isinstance(strategy.declared, Trap) else tests,
                round=number,
                position=0,
            )
            for strategy in strategies
            if number == WARM_UP or not isinstance(strategy.declared, Trap)
        ]
        shuffler.shuffle(cells)
        orders.extend(replace(cell, position=position) for position, cell in enumerate(cells))
    return Plan(tuple(orders))


def run(plan: Plan, server: Server, folder: Path, *, cell_timeout: float, watcher: Watcher) -> None:
    """
    Run the cells one after the other and append each to the run's file as it ends.

    :raises UserError: a strategy breaks the contract, or the folder cannot be written.
    """
    token = secrets.token_hex(4)
    durations: dict[str, float] = {}
    for number, order in enumerate(plan.orders):
        watcher.started(order, _remaining(plan.orders[number:], durations))
        started = time.perf_counter()
        cell = run_cell(order, server, f"looptrap_{token}_{number}", cell_timeout)
        durations[order.strategy.name] = time.perf_counter() - started
        append_cell(folder, cell)
        watcher.finished(cell)


def _remaining(orders: Sequence[CellOrder], durations: dict[str, float]) -> float | None:
    """Add up the last known duration of each cell to come; an unknown one counts as the mean of the known."""
    if not durations:
        return None
    mean = sum(durations.values()) / len(durations)
    return sum(durations.get(order.strategy.name, mean) for order in orders)
