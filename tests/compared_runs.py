"""Two runs to compare in tests: the second is the first with multiplied costs or changed cells."""

import dataclasses
import io
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from bench.analysis.comparison import ComparedRun, Comparison, Pair, compare
from bench.analysis.gates import GateFailure, Gates
from bench.analysis.ranking import analyse
from bench.report.comparison_console import compare_runs
from bench.results.files import append_cell, create_run
from bench.results.records import Cell, Run
from tests.made_runs import COSTS, a_run, facts, rounds_of

RUN = a_run(*(facts(name) for name in COSTS))

OTHER_WORKLOAD = dataclasses.replace(RUN.workload, fingerprint="ba9876543210")

ALL_GATES = Gates(slower=0.2, wal=0.2, statements=0.0)

CellChange = Callable[[Cell], Cell]


def compared_run(name: str, cells: list[Cell], run: Run = RUN) -> ComparedRun:
    """Make one of the two runs, in a folder called `name`."""
    run = dataclasses.replace(run, started=name)
    return ComparedRun(Path(name), analyse(run, cells))


def after(factors: dict[str, float], change: CellChange = lambda cell: cell, rounds: range = range(9)) -> list[Cell]:
    """Make the cells of a later run: costs are multiplied by factors, and `change` is applied to each cell."""
    costs = {name: cost * factors.get(name, 1) for name, cost in COSTS.items()}
    return [change(cell) for cell in rounds_of(costs, rounds, seed=1)]


BEFORE = compared_run("before", rounds_of(COSTS))


def against(cells: list[Cell], run: Run = RUN) -> Comparison:
    """Compare the earlier run with a run that has these cells."""
    return compare(BEFORE, compared_run("after", cells, run))


def pairs_of(comparison: Comparison) -> dict[str, Pair]:
    """Look strategies up by their names."""
    return {pair.name: pair for pair in comparison.pairs}


def witness(name: str, **figures: float) -> CellChange:
    """Return a change of a strategy's `statements` per test, or bytes of `wal` per test."""

    def change(cell: Cell) -> Cell:
        if cell.strategy != name:
            return cell
        statements = (int(figures.get("statements", 8)),) * len(cell.samples.outcomes)
        samples = dataclasses.replace(cell.samples, statements=statements)
        return dataclasses.replace(cell, samples=samples, wal_bytes_per_test=figures.get("wal", 1000.0))

    return change


def written(folder: Path, cells: list[Cell], run: Run = RUN) -> Path:
    """Write the two files of a run."""
    create_run(folder, dataclasses.replace(run, started=folder.name))
    for cell in cells:
        append_cell(folder, cell)
    return folder


def printed(a: Path, b: Path, gates: Gates = Gates(), width: int = 140) -> tuple[list[GateFailure], str]:  # noqa: B008 - frozen
    """Return the failed gates and the printed text."""
    file = io.StringIO()
    failed = compare_runs(a, b, gates, Console(file=file, width=width))
    return failed, file.getvalue()
