"""
The heat map of fidelity: a row for each probe, a column for each strategy.

Colours emphasise what tests do not see; every cell also states its outcome in a word.
"""

from collections.abc import Iterator, Sequence

from bench.analysis.fidelity import probe_result, seen
from bench.report.charts import Picture
from bench.report.charts.grid import CELL_SIZE, GROOVE, NAME_SIZE, PADDING, ROW, Grid, label, width_of
from bench.report.charts.sheet import Sheet
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
    Look,
)
from bench.report.formatting import listed
from bench.results.records import Fidelity
from bench.strategy.probe_catalogue import Family, Probe

STEM = "fidelity"
TITLE = "Which behaviours of a real Postgres tests see"

HOW_TO_READ = (
    '"sees": as with a real Postgres. "hides": differs from a real Postgres, without an error. "breaks": an error or '
    "a hang. Counts: probes seen."
)
MEANINGS = "docs/probes.md describes each probe."
NOT_PROBED = "-"
COLOURS = {"sees": (PALE, GREY), "hides": (ORANGE, INK), "breaks": (BROWN, ON_BROWN), NOT_PROBED: (PAPER, GREY)}
"""The colours of a cell and its text, by outcome; outcomes differ in grey print too."""

INDENT = 8.0
GRID_MIN, COLUMN_MAX, SHEET_MIN = 220.0, 110.0, 460.0


def picture(columns: Sequence[Fidelity]) -> Picture:
    """Draw the outcome of every probe: columns in the given order, at least one; rows by family."""
    grid = _grid(columns)
    sheet = grid.sheet(SHEET_MIN)
    sheet.head(_headline(columns), _how_to_read(columns))
    grid.place_heads(sheet)
    _place_counts(sheet, grid, "All probes", columns, list(Probe), of=" of ")
    for family in Family:
        probes = [probe for probe in Probe if probe.family == family]
        sheet.y += PADDING
        _place_counts(sheet, grid, family.heading, columns, probes, of="/")
        for probe in probes:
            label(sheet, MARGIN + INDENT, probe.value, PLAIN)
            grid.place_row(sheet, _outcomes(columns, probe))
    sheet.y += GAP / 2
    servers = "; ".join(dict.fromkeys(column.server for column in columns))
    sheet.write(f"Probed on: {servers}. {MEANINGS}", 8, MUTED)
    return sheet.picture(STEM, TITLE)


def _headline(columns: Sequence[Fidelity]) -> str:
    """State under which strategies tests see the most and the fewest behaviours."""
    counts = {column.strategy: len(seen(column)) for column in columns}
    most, least = (
        f"{end} under {listed([name for name, count in counts.items() if count == end])}"
        for end in (max(counts.values()), min(counts.values()))
    )
    rest = "" if most == least else f", and only {least}"
    return f"Of {len(Probe)} behaviours of a real Postgres, tests see {most}{rest}"


def _how_to_read(columns: Sequence[Fidelity]) -> str:
    complete = all(probe_result(column, probe) for column in columns for probe in Probe)
    return HOW_TO_READ if complete else f'{HOW_TO_READ} "{NOT_PROBED}": not probed, counted as not seen.'


def _grid(columns: Sequence[Fidelity]) -> Grid:
    names = [width_of(probe.value, NAME_SIZE) + INDENT for probe in Probe]
    headings = [width_of(family.heading, NAME_SIZE, "bold") for family in Family]
    narrowest = width_of(f"{len(Probe)} of {len(Probe)}", CELL_SIZE, "bold") + 2 * PADDING
    column_width = max(narrowest, min(GRID_MIN / len(columns), COLUMN_MAX))
    return Grid([[column.strategy] for column in columns], MARGIN + max(names + headings) + GAP, column_width)


def _place_counts(
    sheet: Sheet, grid: Grid, heading: str, columns: Sequence[Fidelity], probes: Sequence[Probe], *, of: str
) -> None:
    sheet.box(MARGIN, grid.left - GROOVE - MARGIN, ROW - GROOVE, BAND)
    label(sheet, MARGIN + PADDING, heading, BOLD)
    grid.place_row(sheet, ((f"{len(seen(column, probes))}{of}{len(probes)}", BOLD, BAND) for column in columns))


def _outcomes(columns: Sequence[Fidelity], probe: Probe) -> Iterator[tuple[str, Look, str]]:
    for column in columns:
        sight = probe_result(column, probe)
        outcome = sight.outcome if sight else NOT_PROBED
        paper, ink = COLOURS[outcome]
        yield outcome, {"color": ink}, paper
