"""
The cells of a run in the order in which they ran, each beside its own strategy's median: what the clock did meanwhile.

Whether that is a drift is judged by `bench/analysis/noise.py`. Looks may change freely.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from matplotlib.axes import Axes

from bench.analysis import statistics
from bench.analysis.ranking import Analysis
from bench.analysis.timed_cells import Timed
from bench.report.charts import Picture
from bench.report.charts.axis import frame, ticks, widened
from bench.report.charts.footer import place_footer
from bench.report.charts.lines import AROUND, FAINT, FOOT, LEFT, SIZE, thin_out
from bench.report.charts.sheet import FULL, Sheet
from bench.report.charts.typesetting import AMBER, BLUE, GREY, INK, LIGHT, MARGIN, MUTED, PAPER, text_width, wrap
from bench.report.formatting import significant
from bench.strategy.declaration import FLOOR

OUTLIERS = 4
"""At most so many cells are named."""
FAR, LEAST_FAR = 3.0, 1.25
"""A cell is named from so many robust standard deviations on, and by so large a factor at least."""
HEIGHT, WIDTH = 240.0, FULL - LEFT
HALO = {"facecolor": PAPER, "lw": 0, "pad": 0.5}  # keeps lines from crossing the names


def picture(analysis: Analysis, cells: Sequence[Timed]) -> Picture | None:
    """Draw every timed cell of a run in its order; None where there are no two rounds to compare."""
    if len({cell.round for cell in cells}) < statistics.LEAST_ROUNDS:
        return None
    spots = _spots(cells)
    far = _far(spots)
    sheet = Sheet()
    sheet.head(sentence(analysis, cells), _how_to_read(analysis, cells))
    sheet.write("cost of a cell as a multiple of its strategy's median (log scale)", 8.5, MUTED)
    sheet.y += 6
    leaders = [(spot, _place_name(sheet, spot, len(spots))) for spot in far]
    top = sheet.y = sheet.y + 4

    def draw(axes: Axes) -> None:
        _draw_frame(axes, analysis, spots)
        _draw_rounds(axes, spots)
        for spot in spots:
            _draw_spot(axes, spot, named=spot in far)
        for spot, y in leaders:
            # Data across, the panel's share upwards: the line ends above the panel, beside the name.
            axes.plot([spot.x] * 2, [spot.ratio, _up(axes, 1 + (top - y) / HEIGHT)], color=GREY, lw=0.6, clip_on=False)

    sheet.panel(HEIGHT, draw, MARGIN + LEFT, WIDTH)
    sheet.y += FOOT
    place_footer(sheet, analysis)
    return sheet.picture("order", "The cells in the order in which they ran")


def sentence(analysis: Analysis, cells: Sequence[Timed]) -> str:
    """
    Say whether costs drifted while the run went on, as the analysis judges it, and which cell is farthest off.

    :param cells: one at least.
    """
    noise = analysis.noise
    said = "No drift is seen from the first cell to the last"
    if noise.drift is not None:
        turned = "rose" if noise.drift > 0 else "fell"
        said = f"Costs {turned} by {abs(noise.drift) * 100:.0f} % from the first cell to the last"
    if noise.wanders:
        said += "; the machine's speed wandered"
    if far := _far(_spots(cells)):
        worst = max(far, key=lambda spot: abs(np.log(spot.ratio)))
        times = f"{significant(worst.ratio, 2)} times"
        said += f"; farthest off is {worst.cell.strategy} in round {worst.cell.round}, at {times} its median"
    return said


@dataclass(frozen=True)
class _Spot:
    """A cell, its place in the run from 0, and its cost over the median of its strategy."""

    x: int
    ratio: float
    cell: Timed


def _spots(cells: Sequence[Timed]) -> list[_Spot]:
    costs: dict[str, list[float]] = {}
    for cell in cells:
        costs.setdefault(cell.strategy, []).append(cell.cost)
    medians = {name: float(np.median(own)) for name, own in costs.items()}
    return [_Spot(x, cell.cost / medians[cell.strategy], cell) for x, cell in enumerate(cells)]


def _far(spots: Sequence[_Spot]) -> list[_Spot]:
    """Return the cells that are farthest off, in their order, if they are far off at all."""
    logs = np.log([spot.ratio for spot in spots])
    limit = max(FAR * statistics.spread(logs), np.log(LEAST_FAR))
    order = sorted(spots, key=lambda spot: -abs(np.log(spot.ratio)))[:OUTLIERS]
    return sorted((spot for spot in order if abs(np.log(spot.ratio)) > limit), key=lambda spot: spot.x)


def _how_to_read(analysis: Analysis, cells: Sequence[Timed]) -> str:
    said = ["Dot: a cell, later ones to the right. Bar: median of a round."]
    if analysis.noise.twin_ratio and analysis.noise.twin_ratio.low is not None:
        said.append("Shaded: A/A band, how far equals differ over all rounds.")
    if any(cell.strategy == FLOOR for cell in cells):
        said.append(f"Hollow: the floor ({FLOOR}), not ranked.")
    return " ".join(said)


def _place_name(sheet: Sheet, spot: _Spot, count: int) -> float:
    """Set the name of a cell above the panel, beside its place if there is room; return where the line to it ends."""
    text = f"{spot.cell.strategy}, round {spot.cell.round}: {significant(spot.ratio, 2)}x"
    lines = wrap(text, WIDTH, SIZE)
    widest = max(text_width(line, SIZE) for line in lines)
    x = MARGIN + LEFT + min(WIDTH * (spot.x + 0.5) / count + 3, WIDTH - widest)
    end = sheet.y + SIZE
    for line in lines:
        sheet.write(line, SIZE, {"color": INK, "bbox": HALO}, x)
    return end


def _draw_frame(axes: Axes, analysis: Analysis, spots: Sequence[_Spot]) -> None:
    # The band of very few rounds would leave the dots no room, so it may run off the panel.
    ratios = [spot.ratio for spot in spots]
    low, high = widened(min(ratios) / AROUND, max(ratios) * AROUND)
    figures = ticks(low, high)
    axes.set(yscale="log", xlim=(-0.5, len(spots) - 0.5), ylim=(low, high))
    axes.set_yticks(figures, [f"{figure:g}x" for figure in figures])
    axes.set_yticks([], minor=True)
    frame(axes, "round; within it, cells in the order in which they ran", "y", line=FAINT)
    twin = analysis.noise.twin_ratio
    if twin and twin.low is not None and twin.high is not None:
        axes.axhspan(twin.low, twin.high, color=GREY, alpha=0.18, linewidth=0, zorder=1)
    axes.axhline(1, color=INK, lw=0.9, ls=(0, (4, 3)), zorder=2)


def _draw_rounds(axes: Axes, spots: Sequence[_Spot]) -> None:
    middles = {}
    for number, group in groupby(spots, key=lambda spot: spot.cell.round):
        own = [*group]
        first, last = own[0].x - 0.5, own[-1].x + 0.5
        axes.axvline(first, color=LIGHT, lw=0.8, zorder=1)
        axes.hlines(np.median([spot.ratio for spot in own]), first + 0.2, last - 0.2, color=BLUE, lw=2.2, zorder=3)
        middles[(first + last) / 2] = str(number)
    axes.set_xticks(list(middles), list(middles.values()))
    thin_out(axes, middles, WIDTH)


def _draw_spot(axes: Axes, spot: _Spot, *, named: bool) -> None:
    floor = spot.cell.strategy == FLOOR
    colour = AMBER if named else GREY
    face = PAPER if floor else colour
    axes.plot(spot.x, spot.ratio, "o", ms=5 if named else 3.2, mec=colour, mfc=face, mew=0.8, zorder=4)


def _up(axes: Axes, share: float) -> float:
    """Return the ratio that stands at a share of the panel's height."""
    low, high = axes.get_ylim()
    return float(low * (high / low) ** share)
