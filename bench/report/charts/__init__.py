"""
The charts of a run, one module each: every module turns an analysis into a figure and a sentence with its main result.

Charts measure nothing, read no files and leave matplotlib's global state alone. They are committed, so drawing one
twice gives the same bytes.
"""

from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from bench.report.charts.typesetting import save_png, save_svg

FOLDER = "charts"
"""The folder of the charts in the folder of a run."""


@dataclass(frozen=True)
class Picture:
    """A figure with its title and its main result."""

    stem: str
    """The name of its files, without extension."""
    title: str
    """What it shows in a few words, the same for every run."""
    sentence: str
    """Its main result in this run; the headline of the figure."""
    figure: Figure
    body: tuple[float, float]
    """Where the headline ends and the footer begins, in points from the top: the page shows only the part between."""

    def svg(self, folder: Path) -> Path:
        """Return the path of its SVG in the folder of a run."""
        return folder / FOLDER / f"{self.stem}.svg"

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write it as SVG and PNG into `folder`, which is created if needed, and return the paths."""
        return self.write_svg(folder), save_png(self.figure, folder / f"{self.stem}.png")

    def write_svg(self, folder: Path) -> Path:
        """Write only the SVG, which is much faster."""
        return save_svg(self.figure, self.sentence, folder / f"{self.stem}.svg")
