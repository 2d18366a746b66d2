"""
Measures the recorder's overhead: what it adds to the cells that it measures.

Each round runs the same cell with and without the recorder. Their instructions are compared, which do not depend on the
machine's speed; without valgrind to count them, their processor time is compared.
See docs/internals/calibration.md.
"""

import enum
import shutil
from collections.abc import Callable, Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.analysis import statistics
from bench.calibration.cell_rounds import COUNTER, CellVariant, MeasuredCell, RoundOptions, run_rounds
from bench.results.errors import UserError
from bench.strategy.discovery import load

STRATEGY = "savepoint_rollback"
AT_MOST = 1.02
"""Largest accepted ratio of the cost with the recorder to the cost without it."""

Pairs = Sequence[tuple[MeasuredCell, ...]]
"""For each round the cell with and the cell without the recorder."""


class Verdict(enum.Enum):
    """How the confidence interval of the overhead compares with `AT_MOST`."""

    WITHIN = enum.auto()
    """The whole interval is within the bound."""
    ABOVE = enum.auto()
    """The whole interval is above it."""
    INCONCLUSIVE = enum.auto()
    """The bound is inside the interval, or there is no interval."""


_MESSAGES = {
    Verdict.WITHIN: "The recorder adds at most {bound} (95 % interval).",
    Verdict.ABOVE: "The recorder adds more than {bound} (95 % interval).",
    Verdict.INCONCLUSIVE: "Whether the recorder adds more than {bound} is not known: use more --rounds.",
}


def measure_overhead(options: RoundOptions, console: Console) -> bool:
    """
    Measure the recorder's overhead, print it, and return whether it is shown to be within the bound.

    :raises UserError: there is no server, a cell did not finish, or this system reports no processor time.
    """
    counted = shutil.which(COUNTER[0]) is not None
    if not counted:
        console.print(
            "valgrind is not installed, so processor time is compared instead of instructions; this takes many rounds."
        )
    strategy = load(STRATEGY)
    variants = [CellVariant(strategy), CellVariant(strategy, recorded=False)]
    pairs = run_rounds(options, variants, console, counted=counted)
    overhead = cost(pairs, _instructions if counted else _processor_time)
    _show(pairs, console, counted=counted)
    result = verdict(overhead)
    message = _MESSAGES[result].format(bound=f"{AT_MOST - 1:.0%}")
    console.print(f"{message} Based on {len(pairs)} pairs of cells of {options.tests} tests.", highlight=False)
    return result is Verdict.WITHIN


def cost(pairs: Pairs, measure: Callable[[MeasuredCell], float]) -> statistics.Interval:
    """Return the ratio of a cell's cost with the recorder to its cost without, with its 95 % interval."""
    recorded, without = np.array([[measure(one) for one in pair] for pair in pairs]).T
    return statistics.ratio(recorded, without)


def verdict(overhead: statistics.Interval) -> Verdict:
    """Compare the whole interval with the bound: seeing no cost does not prove that there is none."""
    if overhead.high <= AT_MOST:
        return Verdict.WITHIN
    return Verdict.ABOVE if overhead.low > AT_MOST else Verdict.INCONCLUSIVE


def _instructions(measured: MeasuredCell) -> float:
    if measured.instructions is None:
        raise UserError(f"{COUNTER[0]} did not count the instructions: try {' '.join(COUNTER)} true.")
    return measured.instructions


def _processor_time(measured: MeasuredCell) -> float:
    if measured.cell.cpu is None:
        raise UserError("this system does not report a process's processor time: use Linux or macOS.")
    return measured.cell.cpu


def _show(pairs: Pairs, console: Console, *, counted: bool) -> None:
    """Print the table; without times if valgrind was used, since it distorts them."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for title in ("measure", "with recorder", "without", "ratio", "95 % interval"):
        table.add_column(title, justify="left" if title == "measure" else "right", no_wrap=True)
    measures: dict[str, tuple[Callable[[MeasuredCell], float], float]] = (
        {"million instructions": (_instructions, 1e-6)}
        if counted
        else {"processor time, s": (_processor_time, 1), "wall time, s": (lambda one: one.cell.wall, 1)}
    )
    for name, (measure, unit) in measures.items():
        recorded, without = np.median([[measure(one) * unit for one in pair] for pair in pairs], axis=0)
        ratio = cost(pairs, measure)
        interval = "-" if np.isnan(ratio.low) else f"{ratio.low:.4f} to {ratio.high:.4f}"
        table.add_row(name, f"{recorded:.2f}", f"{without:.2f}", f"{ratio.value:.4f}", interval)
    console.print()
    console.print(table)
    console.print()
