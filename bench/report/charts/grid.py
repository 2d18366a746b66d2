"""A table of coloured cells below slanted column heads, which the heat map and the chart of conditions share."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.report.charts.sheet import Sheet
from bench.report.charts.typesetting import BOLD, LINE_HEIGHT, MARGIN, ROUNDING, Look, drawable, text_width

ROW, GROOVE, PADDING = 13.5, 1.0, 4.0
"""Height of a row, the gap between two cells, and the space around rows; in points, as all lengths."""
CELL_SIZE, NAME_SIZE = 8.0, 8.5
SLANT = math.radians(45)
"""Angle of the column heads."""
PITCH = NAME_SIZE * LINE_HEIGHT / math.sin(SLANT)
"""Horizontal distance between the lines of a head."""


@dataclass(frozen=True)
class Grid:
    """Where the columns stand."""

    heads: Sequence[Sequence[str]]
    """The lines of each column's head."""
    left: float
    column_width: float

    def sheet(self, least: float) -> Sheet:
        """Return a sheet that is wide enough, and at least that wide."""
        ends = [self.centre(number) + _reach(head) for number, head in enumerate(self.heads)]
        return Sheet(max(least, max(self.left + len(self.heads) * self.column_width, *ends) + MARGIN))

    def centre(self, number: int) -> float:
        """Return the middle of a column's cells."""
        return self.left + (number + 0.5) * self.column_width - GROOVE / 2

    def place_heads(self, sheet: Sheet) -> None:
        """Place the column heads."""
        sheet.y += max(map(_reach, self.heads)) + PADDING
        look = {**BOLD, "size": NAME_SIZE, "rotation": 45, "rotation_mode": "anchor", "va": "center"}
        for number, head in enumerate(self.heads):
            for line, text in enumerate(head):
                x = self.centre(number) + (line - (len(head) - 1) / 2) * PITCH
                sheet.lines.append((x, sheet.y, drawable(text), look))
        sheet.y += PADDING

    def place_row(self, sheet: Sheet, cells: Iterable[tuple[str, Look, str]]) -> None:
        """
        Place a row of cells, and continue below it.

        :param cells: text, look and colour of each; a cell without text is struck through.
        """
        for number, (text, look, colour) in enumerate(cells):
            left, width = self.left + number * self.column_width, self.column_width - GROOVE
            if text:
                sheet.box(left, width, ROW - GROOVE, colour)
                label(sheet, self.centre(number), text, {"size": CELL_SIZE, "ha": "center", **look})
            else:
                sheet.strike(left, width, ROW - GROOVE)
        sheet.y += ROW


def label(sheet: Sheet, x: float, text: str, look: Look) -> None:
    """Write into the row that begins here, at half its height."""
    look = {"size": NAME_SIZE, "va": "center_baseline", **look}
    sheet.lines.append((x, sheet.y + (ROW - GROOVE) / 2, drawable(text), look))


def width_of(text: str, size: float, weight: str = "normal") -> float:
    """Return the largest width of a line, whose letters are placed on whole pixels."""
    return ROUNDING * text_width(text, size, weight)


def _reach(head: Sequence[str]) -> float:
    """Return how far a column's head extends to the right, and at most upwards."""
    length = max(width_of(drawable(line), NAME_SIZE, "bold") for line in head)
    return (length + NAME_SIZE) * math.sin(SLANT) + (len(head) - 1) * PITCH / 2
