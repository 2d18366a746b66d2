"""
The cost of looking: what the recorder adds to the cell that it measures.

The same cell runs with and without the recorder, side by side in every round. What is compared is the instructions that
the process executes, which are the same every time, whatever the machine's speed does; where there is nothing to count
them, it is processor time. docs/internals/calibration.md has the figures.
"""

import shutil
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.analysis import statistics
from bench.calibration.cell_rounds import COUNTER, Contender, Trial, TrialOptions, run_trials
from bench.results.errors import UserError
from bench.strategy.discovery import load

STRATEGY = "savepoint_rollback"
AT_MOST = 1.02
"""With the recorder, a cell may take so many times what it takes without."""

Pairs = Sequence[tuple[Trial, ...]]
"""Of each round the cell with and the cell without the recorder."""


def measure_overhead(options: TrialOptions, console: Console) -> bool:
    """
    Measure what the recorder costs, show it, and return whether that is shown to be within bounds.

    :raises UserError: there is no server, a cell did not run, or neither instructions nor processor time can be had.
    """
    counted = shutil.which(COUNTER[0]) is not None
    if not counted:
        console.print("No valgrind here to count instructions; comparing processor time, which takes many rounds.")
    strategy = load(STRATEGY)
    contenders = [Contender(strategy), Contender(strategy, recorded=False)]
    pairs = run_trials(options, contenders, console, counted=counted)
    found = cost(pairs, _instructions if counted else _processor_time)
    _show(pairs, console, counted=counted)
    said = verdict(found)
    bound = f"{AT_MOST - 1:.0%}"
    words = {
        "within": f"The recorder adds at most {bound}: the whole interval says so.",
        "beyond": f"The recorder adds more than {bound}: the whole interval says so.",
        "not known": f"Whether the recorder adds more than {bound} is not known: measure more with --rounds.",
    }
    console.print(f"{words[said]} {len(pairs)} pairs of cells of {options.tests} tests.", highlight=False)
    return said == "within"


def cost(pairs: Pairs, measure: Callable[[Trial], float]) -> statistics.Interval:
    """Return what a cell takes with the recorder, as a multiple of what it takes without."""
    recorded, without = np.array([[measure(trial) for trial in pair] for pair in pairs]).T
    return statistics.ratio(recorded, without)


def verdict(found: statistics.Interval) -> Literal["within", "beyond", "not known"]:
    """
    Say whether the recorder costs no more than it may.

    `within` takes the whole interval: not to have seen a cost is not to have shown that there is none.
    """
    if found.high <= AT_MOST:
        return "within"
    return "beyond" if found.low > AT_MOST else "not known"


def _instructions(trial: Trial) -> float:
    if trial.instructions is None:
        raise UserError(f"{COUNTER[0]} did not count the instructions: try it with {' '.join(COUNTER)} true.")
    return trial.instructions


def _processor_time(trial: Trial) -> float:
    if trial.cell.cpu is None:
        raise UserError("this system does not tell a process's processor time: measure on Linux or macOS.")
    return trial.cell.cpu


def _show(pairs: Pairs, console: Console, *, counted: bool) -> None:
    """Print the table. Under valgrind times mean nothing, so there it has none."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for title in ("what", "with recorder", "without", "times", "95 % interval"):
        table.add_column(title, justify="left" if title == "what" else "right", no_wrap=True)
    measures: dict[str, tuple[Callable[[Trial], float], float]] = (
        {"million instructions": (_instructions, 1e-6)}
        if counted
        else {"processor time, s": (_processor_time, 1), "wall time, s": (lambda trial: trial.cell.wall, 1)}
    )
    for name, (measure, unit) in measures.items():
        recorded, without = np.median([[measure(trial) * unit for trial in pair] for pair in pairs], axis=0)
        ratio = cost(pairs, measure)
        interval = "-" if np.isnan(ratio.low) else f"{ratio.low:.4f} to {ratio.high:.4f}"
        table.add_row(name, f"{recorded:.2f}", f"{without:.2f}", f"{ratio.value:.4f}", interval)
    console.print()
    console.print(table)
    console.print()
