"""
The command that sets two runs side by side: from their folders to the console.

What can be said of them stands in `bench/analysis/comparison.py`, the words in `bench/report/comparison_text.py`, the
gates in `bench/analysis/gates.py`. Looks may change freely.
"""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.analysis.comparison import Comparison, compare, measured
from bench.analysis.gates import Gates, failed_gates
from bench.report.comparison_text import remarks, table, work
from bench.report.formatting import tests_and_rounds
from bench.results.printable import printable

WIDE = 120
"""Columns of a console from which on costs and witnesses have room in one table."""


def compare_runs(a: Path, b: Path, gates: Gates, console: Console) -> list[str]:
    """
    Compare two runs and print it: what differs, the strategies side by side, the gates.

    :param a: folder of the run to compare with, such as one of the main branch.
    :param b: folder of the run in question.
    :returns: a sentence for each strategy and gate that failed; empty where all hold, or none was asked for.
    :raises UserError: a folder holds no run or both hold the same, the runs share no measured strategy, or a gate
        cannot be judged.
    """
    comparison = compare(measured(a), measured(b))
    failed = failed_gates(comparison, gates)
    _print(comparison, console)
    if gates:
        console.print()
        for sentence in failed:
            console.print(Text(printable(f"GATE: {sentence}"), style="bold red"))
        if not failed:
            console.print(Text("All gates hold."))
    return failed


def _print(comparison: Comparison, console: Console) -> None:
    console.print()
    for letter, run in (("A", comparison.a), ("B", comparison.b)):
        # Not wrapped, so that a path can be copied whole.
        console.print(Text(f"{letter}: {run.folder}", style="bold"), soft_wrap=True)
        console.print(Text(printable(f"{run.run.started}, {tests_and_rounds(run.analysis)}")))
        noise = run.analysis.noise
        quiet = noise.verdict == "quiet"
        words = printable(f"Noise: {noise.verdict}. {' '.join(noise.reasons)}")
        console.print(Text(words, style="" if quiet else "bold yellow"))
    console.print()
    if comparison.differences:
        console.print(Text("What differs:", style="bold"))
        facts = [(one.what, one.a, one.b) for one in comparison.differences]
        _print_table([("", "A", "B"), *facts], "lll", console)
    else:
        console.print(Text("Nothing that is recorded differs: machine, server, versions, strategies and workload."))
    if not comparison.same_work:
        console.print()
        both = f"{work(comparison.a.run)} and {work(comparison.b.run)}"
        warning = f"DIFFERENT WORK: the workloads are {both}. No ratio below says that a strategy changed."
        console.print(Text(printable(warning), style="bold red"))
    console.print()
    rows = table(comparison)
    if console.width >= WIDE:
        _print_table(rows, "lrrrlrrrrr", console)
    else:
        _print_table([row[:6] for row in rows], "lrrrlr", console)
        console.print()
        _print_table([(row[0], *row[6:]) for row in rows], "lrrrr", console)
    for number, remark in enumerate(remarks(comparison)):
        console.print(Text("\n" * (number == 0) + printable(remark)))


def _print_table(rows: Sequence[Sequence[str]], alignment: str, console: Console) -> None:
    shown = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for title, side in zip(rows[0], alignment, strict=True):
        shown.add_column(Text(title), justify="left" if side == "l" else "right", overflow="fold")
    for row in rows[1:]:
        shown.add_row(*(Text(printable(text)) for text in row))
    console.print(shown)
