"""
Runs rounds of cells that are no run: for what the harness finds out about itself.

Nothing is kept on disk. What the cells are for, `bench/calibration/known_delays.py` and
`bench/calibration/recorder_overhead.py` say.
"""

import random
import re
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import rich.progress
from rich.console import Console

from bench.measure.cell import CellOrder, run_cell
from bench.results.endpoints import Source
from bench.results.errors import UserError
from bench.results.records import PASSED, WARM_UP, Cell, Size
from bench.server import Server, open_server
from bench.strategy.loaded import LoadedStrategy
from bench.workload import SMALLEST

CELL_TIMEOUT = 600
"""Seconds after which a cell is killed; one whose instructions are counted takes a minute."""

COUNTER = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--branch-sim=no", "--cachegrind-out-file=/dev/null")
"""Counts the instructions that a process executes outside the kernel, those of the processes that it starts not."""


@dataclass(frozen=True, kw_only=True)
class TrialOptions:
    """What the user asked for, as the command line gives it."""

    rounds: int
    """How many are measured. Before them the first contender's cell runs once more, to warm up, and is not counted."""
    tests: int
    """Of each cell."""
    source: Source
    """Of the server."""


@dataclass(frozen=True)
class Contender:
    """A cell that each round has once."""

    strategy: LoadedStrategy
    recorded: bool = True


@dataclass(frozen=True)
class Trial:
    """A cell that was run, and the instructions that its process executed; None where they were not counted."""

    cell: Cell
    instructions: int | None


def run_trials(
    options: TrialOptions, contenders: Sequence[Contender], console: Console, *, counted: bool = False
) -> list[tuple[Trial, ...]]:
    """
    Run every contender once per round, in a random order.

    :param counted: whether to count instructions; it takes valgrind, and ten times as long.
    :returns: the cells of each round, in the order of the contenders.
    :raises UserError: there is no server, a cell did not finish, or a test in it failed.
    """
    with open_server(options.source) as server:
        console.print(server.introduction(), markup=False, soft_wrap=True)
        token = secrets.token_hex(4)
        rounds = [
            _round(number, options, contenders if number != WARM_UP else contenders[:1], server, token, counted=counted)
            for number in _shown(range(WARM_UP, options.rounds + 1), console)
        ]
    return rounds[1:]


def _shown(numbers: range, console: Console) -> Iterator[int]:
    """Pass the numbers of the rounds on, and show how far they are: a bar on a terminal, a line per round elsewhere."""
    with rich.progress.Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=len(numbers))
        for number in numbers:
            where = "warm-up" if number == WARM_UP else f"round {number} of {numbers[-1]}"
            bar.update(task, description=where)
            if not console.is_terminal:
                console.print(where, highlight=False)
            yield number
            bar.advance(task)


def _round(
    number: int, options: TrialOptions, contenders: Sequence[Contender], server: Server, token: str, *, counted: bool
) -> tuple[Trial, ...]:
    places = range(len(contenders))
    trials: dict[int, Trial] = {}
    # The warm-up is there for what processes leave on the disk, and counting takes twenty times as long.
    counted = counted and number != WARM_UP
    order = random.Random(number).sample(places, len(places))  # noqa: S311 - an order, not a secret
    size = Size(tests=options.tests, tables=SMALLEST.tables, rows=SMALLEST.rows)
    for position, place in enumerate(order):
        cell_order = CellOrder(contenders[place].strategy, size, number, position)
        database = f"looptrap_{token}_{number}_{position}"
        trials[place] = _trial(cell_order, server, database, recorded=contenders[place].recorded, counted=counted)
        _check(trials[place].cell)
    return tuple(trials[place] for place in places)


def _trial(order: CellOrder, server: Server, database: str, *, recorded: bool, counted: bool) -> Trial:
    with tempfile.TemporaryDirectory(prefix="looptrap-trial-") as name:
        folder, log = Path(name), Path(name) / "counted.txt"
        under = (*COUNTER, f"--log-file={log}") if counted else ()
        cell = run_cell(order, server, database, CELL_TIMEOUT, folder, recorded=recorded, under=under)
        count = re.search(r"I\s+refs:\s+([\d,]+)", log.read_text()) if log.exists() else None
    return Trial(cell, int(count[1].replace(",", "")) if count else None)


def _check(cell: Cell) -> None:
    where = f"{cell.strategy}, round {cell.round}"
    if cell.status != "finished":
        raise UserError(f"{where}: {cell.status}: {cell.detail}; without this cell nothing can be said, try again.")
    failed = sum(outcome != PASSED for outcome in cell.samples.outcomes)
    if failed:
        errors = "; ".join(f"{failure.type}: {failure.message}" for failure in cell.failures)
        raise UserError(f"{where}: {failed} of {cell.size.tests} tests failed ({errors}): mend this first.")
