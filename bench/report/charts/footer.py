"""The foot of a picture: how far its clock is to be believed, and where its figures come from."""

from bench.analysis.ranking import Analysis
from bench.report.charts.board import Board
from bench.report.charts.sheet import Sheet
from bench.report.charts.typesetting import LOUD, MUTED
from bench.report.findings_text import noise_text
from bench.report.formatting import tests_and_rounds


def place_footer(sheet: Sheet | Board, analysis: Analysis) -> None:
    """Write the verdict on noise, cells that did not finish, the machine, the server and the run."""
    run, noise = analysis.run, analysis.noise
    sheet.y += 6
    sheet.foot = sheet.y
    look = MUTED if noise.verdict == "quiet" else LOUD
    sheet.write(noise_text(noise), 8, look)
    if analysis.unfinished:
        sheet.write(f"Cells that did not finish: {len(analysis.unfinished)}.", 8, LOUD)
    sheet.y += 3
    machine, server = run.machine, run.server
    fsync = server.settings.get("fsync", "unknown")
    sheet.write(f"{machine.cpu}, {machine.cores} cores, {machine.system}, Python {machine.python}", 8, MUTED)
    sheet.write(f"Postgres {server.version}, {server.kind}, {server.transport}, fsync={fsync}", 8, MUTED)
    sheet.write(f"{tests_and_rounds(analysis)}, seed {run.seed}, {run.started[:10]}", 8, MUTED)
