"""Report the run in a folder: tables on the console, `summary.md`, `benchmark.json`, the charts and the page."""

import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console

from bench.analysis.cell_figures import CellFigures, figures_of
from bench.analysis.conditions import Conditions, analyse_conditions
from bench.analysis.ranking import Analysis, analyse
from bench.analysis.scaling import Scaling, analyse_scaling
from bench.report.benchmark_json import write_benchmark_json
from bench.report.charts import (
    FOLDER,
    Picture,
    conditions,
    cost,
    heatmap,
    phases,
    scaling,
    timeline,
    totals,
    tradeoff,
    witnesses,
)
from bench.report.console import print_summary
from bench.report.markdown import write_summary
from bench.report.page import write_page
from bench.report.page.drawing import Drawing, drawing
from bench.report.report_tables import in_order, probed
from bench.results.errors import UserError
from bench.results.files import FIDELITY, read_cells, read_run
from bench.results.printable import printable
from bench.results.records import Run
from bench.results.traces import TRACES, Trace

PNG = "cost"
"""
The chart that is written as PNG, too: the main result, for messages and slides that take no SVG. Pixels take longer to
draw than the SVG of the same chart, and page, README and docs show SVGs, which adapt to dark screens.
"""

Chart = Callable[[], Picture | None]
"""Draws a chart; None if the run has no data for it."""


def report_run(folder: Path, console: Console, need: tuple[str, ...] = ()) -> Analysis:
    """
    Analyse the run in `folder`, write its charts, summary, page and `benchmark.json` into it, and print its results.

    :param need: probes that a strategy must pass to be ranked; by default those that the run was made with.
    :raises UserError: there is no run, none of its cells finished, or the folder cannot be written.
    """
    run, cells, outcomes = read_run(folder), [*figures_of(read_cells(folder))], FIDELITY.read(folder)
    _check_some_finished(folder, run, cells)
    analysis = analyse(run, cells, outcomes, need)
    growth = analyse_scaling(run, cells)
    swept = analyse_conditions(run, cells, outcomes, need)
    try:
        with console.status("drawing"):
            drawings = _write_all([*_charts(analysis, growth, swept, TRACES.read(folder))], folder)
            write_summary(analysis, growth, folder, swept)
            write_benchmark_json(analysis, cells, folder)
            page = write_page(analysis, growth, drawings, folder, swept)
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}. Copy the run to a folder with room.") from error
    print_summary(analysis, growth, page, console, swept)
    return analysis


def _charts(
    analysis: Analysis, growth: Scaling, swept: Conditions | None, traces: Mapping[str, Trace]
) -> Iterator[Chart]:
    """Yield the charts of the page in its order, then the loops and connections of each strategy that was traced."""
    yield partial(cost.picture, analysis)
    yield partial(tradeoff.picture, analysis)
    if columns := probed(analysis):
        yield partial(heatmap.picture, columns)
    yield partial(totals.picture, analysis, growth)
    yield from (partial(scaling.picture, analysis, growth, factor) for factor in growth.curves)
    yield partial(phases.picture, analysis)
    yield partial(witnesses.picture, analysis)
    if swept:
        yield partial(conditions.picture, swept)
    yield from (partial(timeline.picture, traces[facts.name]) for facts in in_order(analysis) if facts.name in traces)


def _write_all(charts: Sequence[Chart], folder: Path) -> list[Drawing]:
    """Draw charts and write them into the folder of a run, on Linux in two processes."""
    write = partial(_write, folder=folder)
    if sys.platform != "linux":
        return [*filter(None, map(write, charts))]
    with warnings.catch_warnings(), ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        # Python 3.12 warns where other threads run: those of numpy start again after a fork, and no other is needed.
        warnings.simplefilter("ignore", DeprecationWarning)
        return [*filter(None, pool.map(write, charts))]


def _write(chart: Chart, folder: Path) -> Drawing | None:
    picture = chart()
    if picture is None:
        return None
    write = picture.write if picture.stem == PNG else picture.write_svg
    write(folder / FOLDER)
    return drawing(picture, folder)


def _check_some_finished(folder: Path, run: Run, cells: Sequence[CellFigures]) -> None:
    stopped = [cell.stopped for cell in cells if cell.stopped]
    if len(stopped) < len(cells):
        return
    trouble = "".join(
        f" ({cell.strategy} {cell.status}: {textwrap.shorten(printable(cell.detail), 200)})" for cell in stopped[:1]
    )
    raise UserError(f"{folder} holds no finished cell{trouble}; to measure again: {run.command}")
