"""Report the run in a folder: tables on the console, `summary.md`, `benchmark.json`, the charts and the page."""

import textwrap
from collections.abc import Mapping, Sequence
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
from bench.report.report_tables import in_order, probed
from bench.results.errors import UserError
from bench.results.files import FIDELITY, read_cells, read_run
from bench.results.printable import printable
from bench.results.records import Run
from bench.results.traces import TRACES, Trace


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
            pictures = draw(analysis, growth, swept)
            loops = draw_loops(analysis, TRACES.read(folder))
            for picture in pictures:
                picture.write(folder / FOLDER)
            for picture in loops:
                picture.write_svg(folder / FOLDER)
            write_summary(analysis, growth, folder, swept)
            write_benchmark_json(analysis, cells, folder)
            page = write_page(analysis, growth, [*pictures, *loops], folder, swept)
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}. Copy the run to a folder with room.") from error
    print_summary(analysis, growth, page, console, swept)
    return analysis


def draw(analysis: Analysis, growth: Scaling, swept: Conditions | None) -> list[Picture]:
    """Return the charts for which the run has data, in the order of the page."""
    columns = probed(analysis)
    drawn = [
        cost.picture(analysis),
        tradeoff.picture(analysis),
        heatmap.picture(columns) if columns else None,
        totals.picture(analysis, growth),
        *(scaling.picture(analysis, growth, factor) for factor in growth.curves),
        phases.picture(analysis),
        witnesses.picture(analysis),
        conditions.picture(swept) if swept else None,
    ]
    return [picture for picture in drawn if picture is not None]


def draw_loops(analysis: Analysis, traces: Mapping[str, Trace]) -> list[Picture]:
    """Return the chart of loops and connections of each strategy that was traced."""
    return [timeline.picture(traces[facts.name]) for facts in in_order(analysis) if facts.name in traces]


def _check_some_finished(folder: Path, run: Run, cells: Sequence[CellFigures]) -> None:
    stopped = [cell.stopped for cell in cells if cell.stopped]
    if len(stopped) < len(cells):
        return
    trouble = "".join(
        f" ({cell.strategy} {cell.status}: {textwrap.shorten(printable(cell.detail), 200)})" for cell in stopped[:1]
    )
    raise UserError(f"{folder} holds no finished cell{trouble}; to measure again: {run.command}")
