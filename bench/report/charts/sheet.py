"""
The sheet that most pictures stand on: filled from the top down with lines of text and panels with axes.

All lengths are points from the top left corner, and a sheet grows with what it has to show. Its head stands apart, so
that a page that says the headline itself can leave it out.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.report.charts import Picture
from bench.report.charts.typesetting import BOLD, LINE_HEIGHT, MARGIN, MUTED, PAPER, PLAIN, Look, context, wrap

WIDTH = 612.0
FULL = WIDTH - 2 * MARGIN
"""Between the margins."""

HEADLINE_SIZE, NOTE_SIZE = 13.0, 8.5


@dataclass
class Sheet:
    """A figure in the making."""

    y: float = MARGIN
    """Where it goes on."""
    headline: str = ""
    below_headline: float = 0
    foot: float | None = None
    """Where the foot begins; None where there is none."""
    lines: list[tuple[float, float, str, Look]] = field(default_factory=list)
    """Left end, base line, text and look of each line."""
    panels: list[tuple[float, float, float, float, Callable[[Axes], None]]] = field(default_factory=list)
    """Left, top, width and height of each panel, and what draws on its axes."""

    def head(self, headline: str, how_to_read: str) -> None:
        """Begin with what to see, and how to read it."""
        self.headline = headline
        self.write(headline, HEADLINE_SIZE, BOLD)
        self.below_headline = self.y
        self.y += 2
        self.write(how_to_read, NOTE_SIZE, MUTED)
        self.y += 14

    def write(self, text: str, size: float, look: Look = PLAIN, x: float = MARGIN, width: float = FULL) -> None:
        """Set a paragraph in a column, and go on below it."""
        for line in wrap(text, width, size, look.get("weight", "normal")):
            self.lines.append((x, self.y + size, line, {"size": size, **look}))
            self.y += size * LINE_HEIGHT

    def panel(self, height: float, draw: Callable[[Axes], None], x: float = MARGIN, width: float = FULL) -> None:
        """Place a panel, and go on below it; labels of its axes stand outside of it."""
        self.panels.append((x, self.y, width, height, draw))
        self.y += height

    def picture(self, stem: str, title: str) -> Picture:
        """Return what was made, as a picture of that name."""
        with context():
            body = (self.below_headline, self.y + MARGIN if self.foot is None else self.foot)
            return Picture(stem, title, self.headline, self._figure(), body)

    def _figure(self) -> Figure:
        height = self.y + MARGIN
        figure = Figure(figsize=(WIDTH / 72, height / 72), facecolor=PAPER)
        for left, top, width, tall, draw in self.panels:
            place = (left / WIDTH, 1 - (top + tall) / height, width / WIDTH, tall / height)
            draw(figure.add_axes(place))
        for x, y, line, look in self.lines:
            figure.text(x / WIDTH, 1 - y / height, line, parse_math=False, **look)
        return figure
