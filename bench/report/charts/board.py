"""
The sheet of a map: texts and coloured boxes in rows, from the top down, as wide as its columns need.

All lengths are points from the top left corner.
"""

from dataclasses import dataclass, field

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from bench.report.charts.typesetting import (
    BOLD,
    GREY,
    LINE_HEIGHT,
    MARGIN,
    MUTED,
    PAPER,
    Look,
    drawable,
    text_width,
    wrap,
)

ROW, GROOVE = 13.5, 1.0
HEADLINE_SIZE, NOTE_SIZE = 13.0, 8.0
ROUNDING = 1.04
"""By how much letters on whole pixels may be wider than measured."""


@dataclass
class Board:
    """A figure in the making: texts and boxes, and where they stand from the top left corner."""

    width: float
    y: float = MARGIN
    texts: list[tuple[float, float, str, Look]] = field(default_factory=list)
    boxes: list[Rectangle] = field(default_factory=list)
    strokes: list[Line2D] = field(default_factory=list)
    foot: float | None = None
    """Where the foot begins; None where there is none."""

    def head(self, headline: str, how_to_read: str) -> float:
        """Begin with what to see, and how to read it; return where the headline ends."""
        self.write(headline, HEADLINE_SIZE, BOLD)
        below_headline = self.y
        self.y += 2
        self.write(how_to_read, NOTE_SIZE, MUTED)
        return below_headline

    def write(self, text: str, size: float, look: Look) -> None:
        """Set a paragraph from margin to margin, and go on below it."""
        for line in wrap(text, (self.width - 2 * MARGIN) / ROUNDING, size, look.get("weight", "normal")):
            self.texts.append((MARGIN, self.y + size, line, {"size": size, **look}))
            self.y += size * LINE_HEIGHT

    def box(self, x: float, width: float, colour: str) -> None:
        """Fill a part of the row that begins here."""
        self.boxes.append(Rectangle((x, self.y), width, ROW - GROOVE, facecolor=colour, linewidth=0))

    def label(self, x: float, text: str, look: Look) -> None:
        """Write into the row that begins here, at half its height."""
        middle = self.y + (ROW - GROOVE) / 2
        self.texts.append((x, middle, drawable(text), {"va": "center_baseline", **look}))

    def strike(self, x: float, width: float) -> None:
        """Strike a part of the row that begins here through, from corner to corner."""
        self.strokes.append(Line2D((x, x + width), (self.y + ROW - GROOVE, self.y), color=GREY, linewidth=0.7))

    def figure(self) -> Figure:
        """Return what was made."""
        height = self.y + MARGIN
        figure = Figure(figsize=(self.width / 72, height / 72), facecolor=PAPER)
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, self.width), ylim=(height, 0))
        axes.set_axis_off()
        for box in self.boxes:
            axes.add_patch(box)
        for stroke in self.strokes:
            axes.add_line(stroke)
        for x, y, line, look in self.texts:
            axes.text(x, y, line, parse_math=False, **look)
        return figure


def width_of(text: str, size: float, weight: str = "normal") -> float:
    """Return how wide a line may be in letters on whole pixels."""
    return ROUNDING * text_width(text, size, weight)
