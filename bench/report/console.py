"""Print the results of a run on a terminal. No text is read as markup."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bench.analysis.conditions import Conditions
from bench.analysis.ranking import Analysis
from bench.analysis.scaling import Scaling
from bench.report import conditions_text as conditions_words
from bench.report.findings_text import noise_text
from bench.report.formatting import headline
from bench.report.report_tables import TIES, TRAPS, alarms, figures, not_ranked, table, trap_table
from bench.report.scaling_text import sentences
from bench.report.tables import fits, print_figures
from bench.results.printable import printable

NAME, LETTERS, FIRST = 0, 3, 4
"""Columns of the table."""
WIDE = 116
"""Width of a console, in characters, from which the whole table fits."""


def print_summary(
    analysis: Analysis, growth: Scaling, page: Path, console: Console, swept: Conditions | None = None
) -> None:
    """
    Print the results of a run: headline, tables, traps, findings, noise, and the paths of the results.

    :param page: the page of the run, in its folder.
    :param swept: the run under each of its conditions; None if it has only one.
    """
    console.print()
    console.print(Text(printable(headline(analysis)), style="bold"))
    console.print()
    _print_table(table(analysis), console)
    for title, rows in figures(analysis, growth).items():
        print_figures(title, rows, console)
    for sentence in sentences(growth):
        console.print(Text(sentence))
    for sentence in not_ranked(analysis):
        console.print(Text(sentence))
    console.print(Text(TIES, style="dim"))
    _print_traps(trap_table(analysis)[1:], console)
    if swept:
        _print_conditions(swept, console)
    console.print()
    for sentence in alarms(analysis):
        console.print(Text(sentence, style="bold red"))
    quiet = analysis.noise.verdict == "quiet"
    console.print(Text(noise_text(analysis.noise), style="" if quiet else "bold yellow"))
    # Not wrapped, so that a path can be copied whole.
    console.print(Text(f"Results: {page.parent}"), soft_wrap=True)
    console.print(Text(f"Report:  {page}"), soft_wrap=True)


def _print_table(rows: list[tuple[str, ...]], console: Console) -> None:
    wide = console.width >= WIDE
    shown = Table(box=None, padding=(0, 2 if wide else 1, 0, 0), pad_edge=False, header_style="bold")
    columns = [number for number in range(len(rows[0])) if wide or number != FIRST]
    for number in columns:
        title = rows[0][number] if wide else textwrap.fill(rows[0][number], 7, break_long_words=False)
        side: Literal["left", "right"] = "left" if number in {NAME, LETTERS} else "right"
        shown.add_column(Text(title), justify=side, no_wrap=number != NAME, overflow="fold")
    for row in rows[1:]:
        shown.add_row(*(Text(row[number]) for number in columns))
    console.print(shown)
    console.print()


def _print_conditions(swept: Conditions, console: Console) -> None:
    """Print the sentences, and the table of costs if it fits; the page has all tables."""
    rows = conditions_words.cost_table(swept)
    console.print()
    if fits(rows, console):
        print_figures(conditions_words.COSTS, rows, console)
    else:
        console.print(Text(conditions_words.TITLE, style="bold"))
    for sentence in conditions_words.sentences(swept):
        console.print(Text(sentence))
    for sentence in (
        *conditions_words.explanation_sentences(swept, conditions_words.explanations(swept)),
        *conditions_words.safety(swept),
    ):
        console.print(Text(sentence, style="dim"))


def _print_traps(rows: Sequence[Sequence[str]], console: Console) -> None:
    if rows:
        console.print()
        console.print(Text(TRAPS, style="bold"))
    for name, declared, happened, errors in rows:
        console.print(Padding(Text(f"{name}: {happened}"), (0, 0, 0, 2), expand=False))
        for line in (f"declared: {declared}", f"errors: {errors}"):
            console.print(Padding(Text(line, style="dim"), (0, 0, 0, 6), expand=False))
