"""
The layout of every chart: text, coloured boxes and panels with axes, placed from the top down.

All lengths are points, measured from the top left corner. A sheet grows with its content.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.transforms import Affine2D

from bench.analysis.ranking import Analysis
from bench.report.charts import Picture
from bench.report.charts.typesetting import (
    BOLD,
    GREY,
    LINE_HEIGHT,
    LOUD,
    MARGIN,
    MUTED,
    PAPER,
    PLAIN,
    ROUNDING,
    Look,
    context,
    wrap,
)
from bench.report.findings_text import noise_text
from bench.report.formatting import tests_and_rounds

WIDTH = 612.0
FULL = WIDTH - 2 * MARGIN
"""The width between the margins of a usual sheet."""

HEADLINE_SIZE, NOTE_SIZE, FOOTER_SIZE = 13.0, 8.5, 8.0


@dataclass
class Sheet:
    """A chart that is being laid out."""

    width: float = WIDTH
    y: float = MARGIN
    """Where the next element goes."""
    headline: str = ""
    below_headline: float = 0
    foot: float | None = None
    """Where the footer begins; None if there is none yet."""
    lines: list[tuple[float, float, str, Look]] = field(default_factory=list)
    """Left end, baseline, text and look of each line."""
    shapes: list[Artist] = field(default_factory=list)
    """Boxes and strokes outside of panels."""
    panels: list[tuple[float, float, float, float, Callable[[Axes], None]]] = field(default_factory=list)
    """Left, top, width and height of each panel, and the function that draws on its axes."""

    def head(self, headline: str, how_to_read: str) -> None:
        """Place the headline, which states the main result, and a note on how to read the chart."""
        self.headline = headline
        self.write(headline, HEADLINE_SIZE, BOLD)
        self.below_headline = self.y
        self.y += 2
        self.write(how_to_read, NOTE_SIZE, MUTED)
        self.y += 14

    def write(self, text: str, size: float, look: Look = PLAIN, x: float = MARGIN, width: float | None = None) -> None:
        """Place a paragraph in a column of that width; by default, it reaches from margin to margin."""
        room = (self.width - 2 * MARGIN) / ROUNDING if width is None else width
        for line in wrap(text, room, size, look.get("weight", "normal")):
            self.lines.append((x, self.y + size, line, {"size": size, **look}))
            self.y += size * LINE_HEIGHT

    def panel(self, height: float, draw: Callable[[Axes], None], x: float = MARGIN, width: float = FULL) -> None:
        """Place a panel; the labels of its axes are outside of it."""
        self.panels.append((x, self.y, width, height, draw))
        self.y += height

    def box(self, x: float, width: float, height: float, colour: str) -> None:
        """Fill a box whose upper edge is here."""
        self.shapes.append(Rectangle((x, self.y), width, height, facecolor=colour, linewidth=0))

    def strike(self, x: float, width: float, height: float) -> None:
        """Draw a diagonal through a box whose upper edge is here."""
        self.shapes.append(Line2D((x, x + width), (self.y + height, self.y), color=GREY, linewidth=0.7))

    def footer(self, analysis: Analysis) -> None:
        """Place the noise verdict, unfinished cells, the machine, the server and the size of the run."""
        run, noise = analysis.run, analysis.noise
        machine, server = run.machine, run.server
        self.y += 6
        self.foot = self.y
        look = MUTED if noise.verdict == "quiet" else LOUD
        self.write(noise_text(noise), FOOTER_SIZE, look)
        if analysis.unfinished:
            self.write(f"Cells that did not finish: {len(analysis.unfinished)}.", FOOTER_SIZE, LOUD)
        self.y += 3
        fsync = server.settings.get("fsync", "unknown")
        for line in (
            f"{machine.cpu}, {machine.cores} cores, {machine.system}, Python {machine.python}",
            f"Postgres {server.version}, {server.kind}, {server.transport}, fsync={fsync}",
            f"{tests_and_rounds(analysis)}, seed {run.seed}, {run.started[:10]}",
        ):
            self.write(line, FOOTER_SIZE, MUTED)

    def picture(self, stem: str, title: str) -> Picture:
        """Return the finished chart."""
        body = (self.below_headline, self.y + MARGIN if self.foot is None else self.foot)
        with context():
            return Picture(stem, title, self.headline, self._figure(), body)

    def _figure(self) -> Figure:
        height = self.y + MARGIN
        figure = Figure(figsize=(self.width / 72, height / 72), facecolor=PAPER)
        points = Affine2D().scale(1 / self.width, -1 / height).translate(0, 1) + figure.transFigure
        for left, top, width, tall, draw in self.panels:
            draw(figure.add_axes((left / self.width, 1 - (top + tall) / height, width / self.width, tall / height)))
        for shape in self.shapes:
            shape.set_transform(points)
            figure.add_artist(shape)
        for x, y, line, look in self.lines:
            figure.text(x, y, line, parse_math=False, transform=points, **look)
        return figure
