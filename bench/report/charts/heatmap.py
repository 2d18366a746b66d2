"""
What tests see of a real Postgres: a row for each probe and a column for each strategy.

Colours lead the eye to what is missing, and each cell also says its outcome in a word. All lengths are points, and a
page grows with its rows and columns. Looks may change freely.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.fidelity import seen, sight_of
from bench.report.charts import Picture
from bench.report.charts.board import GROOVE, NOTE_SIZE, ROW, Board, width_of
from bench.report.charts.typesetting import (
    BAND,
    BOLD,
    BROWN,
    GAP,
    GREY,
    INK,
    MARGIN,
    MUTED,
    ON_BROWN,
    ORANGE,
    PALE,
    PAPER,
    PLAIN,
    context,
    drawable,
)
from bench.report.formatting import listed
from bench.results.records import Fidelity
from bench.strategy.probe_catalogue import Family, Probe

STEM = "fidelity"

HOW_TO_READ = (
    'How to read: "sees": as with a real Postgres. "hides": otherwise, without an error. "breaks": an error or a hang. '
    "Figures: probes seen."
)
MEANINGS = "docs/probes.md says what each probe is."
NOT_PROBED = "-"
COLOURS = {"sees": (PALE, GREY), "hides": (ORANGE, INK), "breaks": (BROWN, ON_BROWN), NOT_PROBED: (PAPER, GREY)}
"""Of an outcome's cell and word; each outcome differs from the others in grey print too."""

INDENT, PADDING = 8.0, 4.0
CELL_SIZE, NAME_SIZE = 8.0, 8.5
GRID_MIN, COLUMN_MAX, PAGE_MIN = 220.0, 110.0, 460.0
SLANT = 45
"""Degrees by which the columns' heads rise."""


def picture(columns: Sequence[Fidelity]) -> Picture:
    """Draw what came of every probe under strategies, one at least: columns as they are given, rows by family."""
    grid = _grid(columns)
    page = Board(grid.page_width)
    sentence = _headline(columns)
    below_headline = page.head(sentence, _how_to_read(columns))
    page.y += GAP
    _place_heads(page, grid)
    _place_counts(page, grid, "All probes", list(Probe), " of ")
    for family in Family:
        probes = [probe for probe in Probe if probe.family == family]
        page.y += PADDING
        _place_counts(page, grid, family.heading, probes, "/")
        for probe in probes:
            _place_probe(page, grid, probe)
    page.y += GAP / 2
    page.write(_origin(columns), NOTE_SIZE, MUTED)
    with context():
        figure = page.figure()
    return Picture(STEM, "What tests see of a real Postgres", sentence, figure, (below_headline, page.y + MARGIN))


def _headline(columns: Sequence[Fidelity]) -> str:
    """Say in one sentence under which strategies tests see the most and the least."""
    counts = {column.strategy: len(seen(column)) for column in columns}
    most, least = (
        f"{end} under {listed([name for name, count in counts.items() if count == end])}"
        for end in (max(counts.values()), min(counts.values()))
    )
    rest = "" if most == least else f" down to {least}"
    return f"What tests see of {len(Probe)} behaviours of a real Postgres: {most}{rest}"


def _how_to_read(columns: Sequence[Fidelity]) -> str:
    complete = all(sight_of(column, probe) for column in columns for probe in Probe)
    return HOW_TO_READ if complete else f'{HOW_TO_READ} "{NOT_PROBED}": not probed, counted as not seen.'


def _origin(columns: Sequence[Fidelity]) -> str:
    servers = "; ".join(dict.fromkeys(column.server for column in columns))
    return f"Probed on: {servers}. {MEANINGS}"


# --- the page and what stands on it


@dataclass(frozen=True)
class _Grid:
    """Where the columns stand, and how wide the page is for that."""

    columns: Sequence[Fidelity]
    left: float
    column_width: float

    @property
    def right(self) -> float:
        return self.left + len(self.columns) * self.column_width

    @property
    def page_width(self) -> float:
        ends = [self.centre(number) + _reach(column) for number, column in enumerate(self.columns)]
        return max(PAGE_MIN, max(self.right, *ends) + MARGIN)

    def centre(self, number: int) -> float:
        """Return the middle of a column."""
        return self.left + (number + 0.5) * self.column_width


def _grid(columns: Sequence[Fidelity]) -> _Grid:
    names = [width_of(probe.value, NAME_SIZE) + INDENT for probe in Probe]
    headings = [width_of(family.heading, NAME_SIZE, "bold") for family in Family]
    narrowest = width_of(_share(len(Probe), len(Probe), " of "), CELL_SIZE, "bold") + 2 * PADDING
    column_width = max(narrowest, min(GRID_MIN / len(columns), COLUMN_MAX))
    return _Grid(columns, MARGIN + max(names + headings) + GAP, column_width)


def _reach(column: Fidelity) -> float:
    """Return how far a column's head goes to the right, and as far up, since it rises by half a right angle."""
    length = width_of(drawable(column.strategy), NAME_SIZE, "bold")
    return (length + NAME_SIZE) * math.sin(math.radians(SLANT))


def _place_heads(page: Board, grid: _Grid) -> None:
    page.y += max(map(_reach, grid.columns)) + PADDING
    look = {**BOLD, "size": NAME_SIZE, "rotation": SLANT, "rotation_mode": "anchor", "va": "center"}
    for number, column in enumerate(grid.columns):
        page.texts.append((grid.centre(number), page.y, drawable(column.strategy), look))
    page.y += PADDING


def _place_counts(page: Board, grid: _Grid, heading: str, probes: Sequence[Probe], of: str) -> None:
    page.box(MARGIN, grid.right - GROOVE - MARGIN, BAND)
    page.label(MARGIN + PADDING, heading, {**BOLD, "size": NAME_SIZE})
    for number, column in enumerate(grid.columns):
        share = _share(len(seen(column, probes)), len(probes), of)
        page.label(grid.centre(number), share, {**BOLD, "size": CELL_SIZE, "ha": "center"})
    page.y += ROW


def _place_probe(page: Board, grid: _Grid, probe: Probe) -> None:
    page.label(MARGIN + INDENT, probe.value, {**PLAIN, "size": NAME_SIZE})
    for number, column in enumerate(grid.columns):
        sight = sight_of(column, probe)
        outcome = sight.outcome if sight else NOT_PROBED
        paper, ink = COLOURS[outcome]
        page.box(grid.left + number * grid.column_width, grid.column_width - GROOVE, paper)
        page.label(grid.centre(number), outcome, {"color": ink, "size": CELL_SIZE, "ha": "center"})
    page.y += ROW


def _share(part: int, whole: int, of: str) -> str:
    return f"{part}{of}{whole}"
