"""
The cost of looking: what the recorder adds to the cell that it measures.

The same cell runs with and without the recorder, side by side in every round, and processor time is compared: it varies
less than the clock does. docs/calibration.md has the figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from rich.console import Console
from rich.table import Table

from bench import statistics
from bench.errors import UserError
from bench.results import Cell
from bench.strategy import load
from bench.trials import Contender, TrialOptions, run_trials

STRATEGY = "savepoint_rollback"
AT_MOST = 1.02
"""With the recorder, a cell may take so many times what it takes without."""


@dataclass(frozen=True)
class Cost:
    """What a cell takes with the recorder, as a multiple of what it takes without, with 95 % intervals."""

    cpu: statistics.Interval
    """Processor time of the whole process."""
    wall: statistics.Interval

    @property
    def verdict(self) -> Literal["within", "beyond", "not known"]:
        """
        Whether processor time says that the recorder costs no more than it may.

        `within` takes the whole interval: not to have seen a cost is not to have shown that there is none.
        """
        if self.cpu.high <= AT_MOST:
            return "within"
        return "beyond" if self.cpu.low > AT_MOST else "not known"


def cost_of_looking(options: TrialOptions, console: Console) -> bool:
    """
    Measure what the recorder costs, show it, and return whether that is shown to be within bounds.

    :raises UserError: there is no server, a cell did not run, or the system does not tell processor times.
    """
    strategy = load(STRATEGY)
    pairs = run_trials(options, [Contender(strategy), Contender(strategy, recorded=False)], console)
    found = cost(pairs)
    _show(found, pairs, console)
    return found.verdict == "within"


def cost(pairs: Sequence[tuple[Cell, ...]]) -> Cost:
    """
    Compare cells with the recorder to cells without.

    :param pairs: of each round, the cell with and the cell without.
    :raises UserError: the system does not tell processor times.
    """
    seconds = np.array([[[cell.cpu or np.nan, cell.wall] for cell in pair] for pair in pairs])
    if np.isnan(seconds).any():
        raise UserError("this system does not tell a process's processor time: measure on Linux or macOS.")
    cpu, wall = (statistics.ratio(seconds[:, 0, column], seconds[:, 1, column]) for column in range(2))
    return Cost(cpu, wall)


def _show(found: Cost, pairs: Sequence[tuple[Cell, ...]], console: Console) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for title in ("with the recorder", "seconds", "without", "times", "95 % interval"):
        table.add_column(title, justify="left" if title == "with the recorder" else "right")
    for name, ratio, seconds in (
        ("processor time", found.cpu, [[cell.cpu or 0 for cell in pair] for pair in pairs]),
        ("wall time", found.wall, [[cell.wall for cell in pair] for pair in pairs]),
    ):
        recorded, without = np.median(seconds, axis=0)
        interval = "-" if np.isnan(ratio.low) else f"{ratio.low:.4f} to {ratio.high:.4f}"
        table.add_row(name, f"{recorded:.2f}", f"{without:.2f}", f"{ratio.value:.4f}", interval)
    console.print()
    console.print(table)
    console.print()
    says = {
        "within": f"The recorder adds at most {AT_MOST - 1:.0%}: the whole interval says so.",
        "beyond": f"The recorder adds more than {AT_MOST - 1:.0%}: the whole interval says so.",
        "not known": f"Whether the recorder adds more than {AT_MOST - 1:.0%} is not known: measure more with --rounds.",
    }
    console.print(
        f"{says[found.verdict]} Medians of {len(pairs)} pairs of cells of {pairs[0][0].size.tests} tests.",
        highlight=False,
    )
