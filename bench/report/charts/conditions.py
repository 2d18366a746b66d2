"""
Costs under several conditions: a row for each strategy, a column for each condition, a ratio in each cell.

Colours range from blue (cheaper than under the default) to brown (more expensive), in steps of the log-ratio.
"""

from collections.abc import Iterator

from bench.analysis.conditions import ConditionResult, Conditions, Row
from bench.report.charts import Picture
from bench.report.charts.grid import NAME_SIZE, PITCH, Grid, label, width_of
from bench.report.charts.typesetting import (
    BOLD,
    BROWN,
    DEEP,
    GAP,
    GREY,
    INK,
    MARGIN,
    MUTED,
    ON_BROWN,
    ORANGE,
    PALE,
    PAPER,
    SAND,
    SKY,
    Look,
    wrap,
)
from bench.report.conditions_text import explanation_sentences, headline, without_figure
from bench.report.durability import given_up
from bench.report.formatting import listed, significant

STEM = "conditions"
TITLE = "Cost per test under each condition, relative to the default"
STEPS = (1.5, 3.0)
"""The factors from which on a colour is stronger, and strongest."""
CHEAPER, DEARER = ((PALE, INK), (SKY, INK), (DEEP, ON_BROWN)), ((SAND, INK), (ORANGE, INK), (BROWN, ON_BROWN))
"""Colours of a cell and its figure, weakest first; stronger ones are darker, so that grey print shows them too."""
GIVES_UP = "\N{DAGGER}"

COLUMN_MIN, HEAD_MAX, SHEET_MIN = 40.0, 150.0, 520.0


def picture(conditions: Conditions) -> Picture:
    """Draw the cost of every strategy under every condition, relative to its cost under the default."""
    grid = _grid(conditions)
    sheet = grid.sheet(SHEET_MIN)
    sheet.head(headline(conditions), _how_to_read(conditions))
    grid.place_heads(sheet)
    for row in conditions.rows:
        label(sheet, MARGIN, _shown(row), BOLD if row.ranked else MUTED)
        grid.place_row(sheet, _cells(row))
    sheet.y += GAP / 2
    for note in _notes(conditions):
        sheet.write(note, 8, MUTED)
    sheet.footer(conditions.analyses[0])
    return sheet.picture(STEM, TITLE)


def _how_to_read(conditions: Conditions) -> str:
    said = (
        f"First column: milliseconds per test under the default ({conditions.names[0]}). Other columns: the cost of "
        "the same strategy relative to the default; below 1, in blue, is cheaper. Grey figures without colour do not "
        "differ significantly from 1."
    )
    has_gaps = any(not figure for row in conditions.rows for figure, _, _ in _cells(row))
    return f"{said} Struck out: no figure." if has_gaps else said


def _notes(conditions: Conditions) -> Iterator[str]:
    if given := dict.fromkeys(what for analysis in conditions.analyses for what in given_up(analysis.run.server)):
        yield f"{GIVES_UP} gives up safety: {listed([*given])}. See docs/servers-clients-conditions.md."
    if reasons := explanation_sentences(conditions, without_figure(conditions)):
        yield f"No figure: {' '.join(reasons)}"


def _grid(conditions: Conditions) -> Grid:
    names = [f"ms, {conditions.names[0]}", *conditions.names[1:]]
    signs = [GIVES_UP if given_up(analysis.run.server) else "" for analysis in conditions.analyses]
    heads = [wrap(f"{name}{sign}", HEAD_MAX, NAME_SIZE, "bold") for name, sign in zip(names, signs, strict=True)]
    left = MARGIN + max(width_of(_shown(row), NAME_SIZE, "bold") for row in conditions.rows) + GAP
    return Grid(heads, left, max(COLUMN_MIN, max(map(len, heads)) * PITCH))


def _cells(row: Row) -> Iterator[tuple[str, Look, str]]:
    for number, cell in enumerate(row.results):
        estimate, scale = (cell.ratio, 1) if number else (cell.per_test, 1000)
        paper, ink = _colours(cell) if number else (PAPER, INK)
        yield "" if estimate is None else significant(estimate.value * scale), {"color": ink}, paper


def _colours(cell: ConditionResult) -> tuple[str, str]:
    if cell.ratio is None or not cell.significant:
        return PAPER, GREY
    factor = max(cell.ratio.value, 1 / cell.ratio.value)
    return (CHEAPER if cell.ratio.value < 1 else DEARER)[sum(factor >= step for step in STEPS)]


def _shown(row: Row) -> str:
    return row.strategy if row.ranked else f"{row.strategy} (not ranked)"
