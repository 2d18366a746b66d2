"""
What conditions make of strategies: a row for each strategy, a column for each condition, a ratio in each cell.

Colours run from blue, cheaper than under the default, to brown, dearer, in steps of the ratio's logarithm. All lengths
are points, and a page grows with its rows and columns. Looks may change freely.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.conditions import Conditions, Row, Under
from bench.report.charts import Picture
from bench.report.charts.board import GROOVE, NOTE_SIZE, ROW, Board, width_of
from bench.report.charts.footer import place_footer
from bench.report.charts.typesetting import (
    BOLD,
    BROWN,
    DEEP,
    GAP,
    GREY,
    INK,
    LINE_HEIGHT,
    MARGIN,
    MUTED,
    ON_BROWN,
    ORANGE,
    PALE,
    PAPER,
    SAND,
    SKY,
    context,
    drawable,
    wrap,
)
from bench.report.conditions_text import headline, reason_sentences, without_figure
from bench.report.durability import given_up
from bench.report.formatting import listed, significant

STEM = "conditions"
TITLE = "What each condition makes of a test's cost"
STEPS = (1.5, 3.0)
"""Factors from which on a colour is stronger, and strongest."""
CHEAPER, DEARER = ((PALE, INK), (SKY, INK), (DEEP, ON_BROWN)), ((SAND, INK), (ORANGE, INK), (BROWN, ON_BROWN))
"""Of a cell and the figure in it, weakest first; lightness falls with strength, so grey print shows that as well."""
GIVES_UP = "\N{DAGGER}"

CELL_SIZE, NAME_SIZE = 8.0, 8.5
PADDING = 4.0
COLUMN_MIN, HEAD_MAX, PAGE_MIN = 40.0, 150.0, 520.0
SLANT = 45
"""Degrees by which the columns' heads rise."""
PITCH = NAME_SIZE * LINE_HEIGHT / math.sin(math.radians(SLANT))
"""Between the lines of a head, along the row."""


def picture(conditions: Conditions) -> Picture:
    """Draw what every strategy costs under every condition, in times of what it costs under the default."""
    grid = _grid(conditions)
    page = Board(grid.page_width)
    sentence = headline(conditions)
    below_headline = page.head(sentence, _how_to_read(conditions))
    page.y += GAP + max(map(_reach, grid.heads)) + PADDING
    for number, head in enumerate(grid.heads):
        _place_head(page, grid.centre(number), head)
    page.y += PADDING
    for row in conditions.rows:
        _place_row(page, grid, row)
    page.y += GAP / 2
    for note in _notes(conditions):
        page.write(note, NOTE_SIZE, MUTED)
    place_footer(page, conditions.analyses[0])
    foot = page.foot or page.y
    with context():
        return Picture(
            STEM, "What each condition makes of a test's cost", sentence, page.figure(), (below_headline, foot)
        )


def _how_to_read(conditions: Conditions) -> str:
    said = (
        f"First column: milliseconds per test under the default ({conditions.names[0]}). Others: times the same "
        "strategy's cost there; below 1, in blue, is cheaper. Grey figures on no colour are not told apart from 1."
    )
    return (
        f"{said} Struck: no figure."
        if any(cell.per_test is None for row in conditions.rows for cell in row.cells)
        else said
    )


def _notes(conditions: Conditions) -> list[str]:
    given = dict.fromkeys(what for analysis in conditions.analyses for what in given_up(analysis.run.server))
    said = [f"{GIVES_UP} gives up safety: {listed([*given])}. docs/conditions.md says what is lost."] if given else []
    struck = reason_sentences(conditions, without_figure(conditions))
    return [*said, f"No figure: {' '.join(struck)}"] if struck else said


# --- the grid


@dataclass(frozen=True)
class _Grid:
    """Where the columns stand, and how wide the page is for that."""

    heads: Sequence[Sequence[str]]
    """The lines of each column's head."""
    left: float
    column_width: float

    @property
    def page_width(self) -> float:
        ends = [self.centre(number) + _reach(head) for number, head in enumerate(self.heads)]
        return max(PAGE_MIN, self.left + len(self.heads) * self.column_width + MARGIN, max(ends) + MARGIN)

    def centre(self, number: int) -> float:
        """Return the middle of a column."""
        return self.left + (number + 0.5) * self.column_width


def _grid(conditions: Conditions) -> _Grid:
    names = [f"ms, {conditions.names[0]}", *conditions.names[1:]]
    signs = [GIVES_UP if given_up(analysis.run.server) else "" for analysis in conditions.analyses]
    heads = [wrap(f"{name}{sign}", HEAD_MAX, NAME_SIZE, "bold") for name, sign in zip(names, signs, strict=True)]
    left = MARGIN + max(width_of(_shown(row), NAME_SIZE, "bold") for row in conditions.rows) + GAP
    return _Grid(heads, left, max(COLUMN_MIN, max(map(len, heads)) * PITCH))


def _reach(head: Sequence[str]) -> float:
    """Return how far a column's head goes to the right, and at most as far up."""
    length = max(width_of(line, NAME_SIZE, "bold") for line in head)
    return (length + NAME_SIZE) * math.sin(math.radians(SLANT)) + (len(head) - 1) * PITCH / 2


def _place_head(page: Board, centre: float, head: Sequence[str]) -> None:
    look = {**BOLD, "size": NAME_SIZE, "rotation": SLANT, "rotation_mode": "anchor", "va": "center"}
    for number, line in enumerate(head):
        page.texts.append((centre + (number - (len(head) - 1) / 2) * PITCH, page.y, line, look))


def _place_row(page: Board, grid: _Grid, row: Row) -> None:
    page.label(MARGIN, _shown(row), {**(BOLD if row.ranked else MUTED), "size": NAME_SIZE})
    for number, cell in enumerate(row.cells):
        left, width = grid.left + number * grid.column_width, grid.column_width - GROOVE
        figure = _figure(cell, first=number == 0)
        if not figure:
            page.strike(left, width)
            continue
        paper, ink = (PAPER, INK) if number == 0 else _colours(cell)
        page.box(left, width, paper)
        page.label(grid.centre(number) - GROOVE / 2, figure, {"color": ink, "size": CELL_SIZE, "ha": "center"})
    page.y += ROW


def _figure(cell: Under, *, first: bool) -> str:
    estimate, scale = (cell.per_test, 1000) if first else (cell.ratio, 1)
    return "" if estimate is None else significant(estimate.value * scale)


def _colours(cell: Under) -> tuple[str, str]:
    if cell.ratio is None or not cell.changed:
        return PAPER, GREY
    factor = max(cell.ratio.value, 1 / cell.ratio.value)
    return (CHEAPER if cell.ratio.value < 1 else DEARER)[sum(factor >= step for step in STEPS)]


def _shown(row: Row) -> str:
    return drawable(row.strategy if row.ranked else f"{row.strategy} (not ranked)")
