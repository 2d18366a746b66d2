"""
Runs rounds of cells for the harness's own checks, without storing anything on disk.

`bench/calibration/known_delays.py` and `bench/calibration/recorder_overhead.py` use it.
"""

import random
import re
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench.measure.cell import CellOrder, run_cell
from bench.measure.child import Spawn
from bench.measure.progress import ProgressDisplay
from bench.measure.templates import Templates
from bench.results.endpoints import ServerSource
from bench.results.errors import UserError
from bench.results.records import PASSED, WARM_UP, Cell, Size
from bench.server import Server, open_server
from bench.strategy.loaded import LoadedStrategy
from bench.workload import SMALLEST

CELL_TIMEOUT = 600
"""Seconds after which a cell is killed. A cell with counted instructions takes about a minute."""

COUNTER = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--branch-sim=no", "--cachegrind-out-file=/dev/null")
"""Counts the instructions that a process executes outside the kernel; its child processes are not included."""


@dataclass(frozen=True, kw_only=True)
class RoundOptions:
    """The options of the command line."""

    rounds: int
    """Number of measured rounds. A warm-up before them runs the first variant alone, and is discarded."""
    tests: int
    """Tests per cell."""
    source: ServerSource
    """Where Postgres comes from."""


@dataclass(frozen=True)
class CellVariant:
    """A cell that runs once in each round."""

    strategy: LoadedStrategy
    recorded: bool = True


@dataclass(frozen=True)
class MeasuredCell:
    """A finished cell."""

    cell: Cell
    instructions: int | None
    """Instructions that its process executed; None if they were not counted."""


def run_rounds(
    options: RoundOptions, variants: Sequence[CellVariant], console: Console, *, counted: bool = False
) -> list[tuple[MeasuredCell, ...]]:
    """
    Run every variant once per round, in a random order.

    :param counted: whether to count instructions, which needs valgrind and takes about ten times as long.
    :returns: the cells of each round, in the order of the variants.
    :raises UserError: there is no server, a cell did not finish, or a test in it failed.
    """
    with open_server(options.source) as server:
        console.print(server.introduction(), markup=False, soft_wrap=True)
        token = secrets.token_hex(4)
        rounds = [
            _round(number, options, variants if number != WARM_UP else variants[:1], server, token, counted=counted)
            for number in _with_progress(range(WARM_UP, options.rounds + 1), console)
        ]
    return rounds[1:]


def _with_progress(numbers: range, console: Console) -> Iterator[int]:
    """Yield the numbers of the rounds, and show the progress."""
    with ProgressDisplay(console, "measuring", len(numbers)) as display:
        for number in numbers:
            label = "warm-up" if number == WARM_UP else f"round {number} of {numbers[-1]}"
            display.update(label, number)
            display.line(label)
            yield number


def _round(
    number: int, options: RoundOptions, variants: Sequence[CellVariant], server: Server, token: str, *, counted: bool
) -> tuple[MeasuredCell, ...]:
    places = range(len(variants))
    cells: dict[int, MeasuredCell] = {}
    # The warm-up only fills disk caches, so its instructions need no counting.
    counted = counted and number != WARM_UP
    order = random.Random(number).sample(places, len(places))  # noqa: S311 - an order, not a secret
    size = Size(tests=options.tests, tables=SMALLEST.tables, rows=SMALLEST.rows)
    with Templates(number) as templates:
        for position, place in enumerate(order):
            variant = variants[place]
            cell_order = CellOrder(variant.strategy, size, number, position)
            database = f"looptrap_{token}_{number}_{position}"
            cells[place] = _run_cell(
                cell_order, server, database, templates, recorded=variant.recorded, counted=counted
            )
            _check(cells[place].cell)
    return tuple(cells[place] for place in places)


def _run_cell(
    order: CellOrder, server: Server, database: str, templates: Templates, *, recorded: bool, counted: bool
) -> MeasuredCell:
    with tempfile.TemporaryDirectory(prefix="looptrap-check-") as name:
        folder, log = Path(name), Path(name) / "counted.txt"
        # Only a new interpreter can run under valgrind.
        start = Spawn(under=(*COUNTER, f"--log-file={log}")) if counted else templates.start_of(order.client)
        with server.temporary_database(database) as url:
            cell = run_cell(order, server, url, CELL_TIMEOUT, folder, start, recorded=recorded)
        count = re.search(r"I\s+refs:\s+([\d,]+)", log.read_text()) if log.exists() else None
    return MeasuredCell(cell, int(count[1].replace(",", "")) if count else None)


def _check(cell: Cell) -> None:
    where = f"{cell.strategy}, round {cell.round}"
    if cell.status != "finished":
        raise UserError(f"{where}: {cell.status}: {cell.detail}; the check needs every cell, so try again.")
    failed = sum(outcome != PASSED for outcome in cell.samples.outcomes)
    if failed:
        errors = "; ".join(f"{failure.type}: {failure.message}" for failure in cell.failures)
        raise UserError(f"{where}: {failed} of {cell.size.tests} tests failed ({errors}): fix this first.")
