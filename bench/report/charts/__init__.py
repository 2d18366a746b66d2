"""
The pictures of a run, one module each: from statements about a run to a figure, and a sentence that says what to see.

Nothing here measures, reads files or keeps global state of matplotlib. A figure drawn twice from one run must stay the
same to the byte: charts are committed.
"""

from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from bench.report.charts.typesetting import save_png, save_svg

FOLDER = "charts"
"""Of the pictures in the folder of a run."""


@dataclass(frozen=True)
class Picture:
    """A figure, and what to see in it."""

    stem: str
    """The name of its files."""
    title: str
    """What it shows, in a few words, the same for every run."""
    sentence: str
    """What to see in it, computed from the run; the figure's headline."""
    figure: Figure
    body: tuple[float, float]
    """Points from the top where the headline ends and the foot begins: a page that says both shows what is between."""

    def svg(self, folder: Path) -> Path:
        """Return where its SVG is written in the folder of a run."""
        return folder / FOLDER / f"{self.stem}.svg"

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write it as SVG and PNG into `folder`, which is made, and return their paths."""
        return self.write_svg(folder), save_png(self.figure, folder / f"{self.stem}.png")

    def write_svg(self, folder: Path) -> Path:
        """Write it as SVG alone, which takes a fraction of the time."""
        return save_svg(self.figure, self.sentence, folder / f"{self.stem}.svg")
