"""Print the comparison of two runs on the console; nothing depends on its layout."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.analysis.comparison import Comparison, compare, read_compared_run
from bench.analysis.gates import GateFailure, Gates, failed_gates
from bench.report.comparison_text import difference_table, gate_text, remarks, strategy_table, workload_text
from bench.report.findings_text import noise_text
from bench.report.formatting import tests_and_rounds
from bench.results.printable import printable

WIDE = 120
"""Columns of a console that fits costs and witnesses in one table."""


def compare_runs(a: Path, b: Path, gates: Gates, console: Console) -> list[GateFailure]:
    """
    Compare two runs and print the differences, the strategies side by side and the gates.

    :param a: folder of the baseline, such as a run of the main branch.
    :param b: folder of the run to judge.
    :returns: the failed gates; none if no gate was set.
    :raises UserError: a folder holds no run, both hold the same run, no strategy was measured in both, or a gate cannot
        be checked.
    """
    comparison = compare(read_compared_run(a), read_compared_run(b))
    failures = failed_gates(comparison, gates)
    _print(comparison, console)
    if gates != Gates():
        console.print()
        for failure in failures:
            console.print(Text(printable(f"GATE FAILED: {gate_text(failure)}"), style="bold red"))
        if not failures:
            console.print(Text("All gates passed."))
    return failures


def _print(comparison: Comparison, console: Console) -> None:
    console.print()
    for letter, run in (("A", comparison.a), ("B", comparison.b)):
        # Not wrapped, so that a path can be copied whole.
        console.print(Text(f"{letter}: {run.folder}", style="bold"), soft_wrap=True)
        console.print(Text(printable(f"{run.run.started}, {tests_and_rounds(run.analysis)}")))
        noise = run.analysis.noise
        quiet = noise.verdict == "quiet"
        console.print(Text(noise_text(noise), style="" if quiet else "bold yellow"))
    console.print()
    if comparison.differences:
        console.print(Text("Differences:", style="bold"))
        _print_table(difference_table(comparison.differences), "lll", console)
    else:
        console.print(Text("No recorded differences: same machine, server, versions, strategies and workload."))
    if not comparison.same_workload:
        console.print()
        workloads = f"A ran {workload_text(comparison.a.run)}, B ran {workload_text(comparison.b.run)}"
        warning = f"DIFFERENT WORKLOADS: {workloads}. The ratios below do not show that a strategy changed."
        console.print(Text(printable(warning), style="bold red"))
    console.print()
    rows = strategy_table(comparison)
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
