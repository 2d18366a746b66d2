"""Prints a trace in the terminal: by test and by loop, what happened on each connection."""

from itertools import groupby

from rich.console import Console
from rich.text import Text

from bench.analysis.loops import view_trace
from bench.analysis.trace_view import LineKind, TraceLine, TraceView
from bench.report.trace_text import column_title, headline, how_it_ended, line_text, loop_name, loop_scope, not_shown
from bench.results.printable import printable
from bench.results.traces import Trace


def print_trace(trace: Trace, console: Console) -> None:
    """Print a trace: by test and by loop, what happened on each connection."""
    view = view_trace(trace)
    console.print()
    console.print(Text(trace.strategy, style="bold"))
    console.print(Text(printable(headline(view))))
    for column in view.columns:
        title, below = column_title(view, column)
        console.print()
        console.print(Text.assemble((title, "bold red" if column in view.errors else "bold"), f"  {below}"))
        here = (line for line in view.lines if line.column == column)
        for number, lines in groupby(here, key=lambda line: line.loop):
            loop = view.loops[number]
            console.print(Text.assemble("  ", (loop_name(loop), "bold"), f", {loop_scope(loop)}"))
            for line in lines:
                console.print(_line(line, view))
    console.print()
    for sentence in not_shown(view):
        console.print(Text(printable(sentence), style="dim"))
    if ended := how_it_ended(trace):
        console.print(Text(printable(ended), style="bold red"))


def _line(line: TraceLine, view: TraceView) -> Text:
    words = printable(line_text(line))
    if line.kind is LineKind.ACTOR:
        return Text(f"    {words}", style="italic")
    if line.kind is LineKind.ERROR:
        return Text(f"    {words}", style="bold red")
    style = "red" if line.refused else "bold" if line.controls_transaction else ""
    text = Text.assemble(f"    {line.pid:>7} \u2502 ", "  " * line.depth, (words, style))
    if line.foreign_loop:
        text.append(f", opened in {loop_name(view.loops[view.opened_in[line.pid]])}", "bold red")
    return text
