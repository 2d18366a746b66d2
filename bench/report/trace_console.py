"""A trace in the terminal: test by test and loop by loop, what each connection did."""

from itertools import groupby

from rich.console import Console
from rich.text import Text

from bench.analysis import loops
from bench.analysis.trace_view import Line, Story
from bench.results.printable import printable
from bench.results.traces import Trace


def print_trace(trace: Trace, console: Console) -> None:
    """Print a trace: test by test and loop by loop, which connection did what."""
    story = loops.read(trace)
    console.print()
    console.print(Text(trace.strategy, style="bold"))
    console.print(Text(printable(story.sentence)))
    for column, (title, below) in story.heads.items():
        console.print()
        failed = "red" if column in story.errors else ""
        console.print(Text.assemble((title, f"bold {failed}"), f"  {below}"))
        here = (line for line in story.lines if line.column == column)
        for number, lines in groupby(here, key=lambda line: line.loop):
            loop = story.loop(number)
            console.print(Text.assemble("  ", (loop.name, "bold"), f", {loop.life}"))
            for line in lines:
                console.print(_shown(line, story))
    console.print()
    for sentence in story.aside:
        console.print(Text(f"Not shown: {printable(sentence)}.", style="dim"))
    if trace.ended:
        console.print(Text(f"How the process ended: {printable(trace.ended)}.", style="bold red"))


def _shown(line: Line, story: Story) -> Text:
    words = printable(line.text)
    if line.kind == "who":
        return Text(f"    {words}", style="italic")
    if line.kind == "error":
        return Text.assemble("    ", (f"\u2717 {words}", "bold red"))
    text = Text.assemble(f"    {line.pid:>7} \u2502 ", "  " * line.depth, (words, "bold" if line.control else ""))
    if line.refused:
        text.append("  \u2717 refused", "red")
    if line.strange and line.kind == "connection":
        opened = next(one.loop for one in story.connections if one.pid == line.pid)
        text.append(f", which was opened in {story.loop(opened).name}", "bold red")
    return text
