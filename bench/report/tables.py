"""
Tables and lists on a console and in GitHub's Markdown.

The first row of a table is the header. Text is escaped for Markdown, and rich never reads it as markup.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.results.printable import printable

NAME_WIDTH = 28
"""Names up to this length are never folded."""


def markdown_table(rows: Sequence[Sequence[str]], alignment: str) -> Iterator[str]:
    """
    Yield the lines of a table.

    :param alignment: `l` or `r` for each column.
    """
    header, *body = ["| " + " | ".join(map(escaped, row)) + " |" for row in rows]
    yield header
    yield "|" + "|".join("---:" if side == "r" else "---" for side in alignment) + "|"
    yield from body
    yield ""


def paragraph(text: str) -> tuple[str, str]:
    """Return the lines of a paragraph or a heading: the text, and an empty line."""
    return text, ""


def bullets(sentences: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a list."""
    yield from (f"- {sentence}" for sentence in sentences)
    if sentences:
        yield ""


def escaped(text: str) -> str:
    """Escape what Markdown would read as markup; an underscore within a word is not markup."""
    special = r"[\\`*\[\]<>|~&#$]|\b_+|_+\b"
    return re.sub(special, lambda found: "".join(f"\\{char}" for char in found[0]), printable(text))


def fits(rows: Sequence[Sequence[str]], console: Console) -> bool:
    """Whether the console is wide enough for a table without folding any text."""
    return sum(max(map(len, column)) + 1 for column in zip(*rows, strict=True)) <= console.width


def print_figures(title: str, rows: Sequence[Sequence[str]], console: Console) -> None:
    """Print a table whose rows are a name and figures."""
    console.print(Text(title, style="bold"))
    shown = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    longest = max(len(row[0]) for row in rows)
    whole_table = fits(rows, console)
    for number, head in enumerate(rows[0]):
        whole = number == 0 and longest <= NAME_WIDTH
        side: Literal["left", "right"] = "left" if number == 0 else "right"
        shown.add_column(
            Text(head if whole_table else head.replace(" ", "\n")), justify=side, overflow="fold", no_wrap=whole
        )
    for row in rows[1:]:
        shown.add_row(*map(Text, row))
    console.print(shown)
    console.print()
