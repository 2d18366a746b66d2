"""`python -m bench recorder-overhead`: measure the overhead of the recorder."""

from typing import Any

import click
from rich.console import Console

from bench.commands.options import server_options
from bench.commands.run import MOST_ROUNDS
from bench.workload import LARGEST


@click.command()
@click.option(
    "--rounds", type=click.IntRange(2, MOST_ROUNDS), default=3, show_default=True, help="Number of measured rounds."
)
@click.option("--tests", type=click.IntRange(1, LARGEST.tests), default=100, show_default=True, help="Tests per cell.")
@server_options
@click.pass_context
def recorder_overhead(ctx: click.Context, /, **options: Any) -> None:  # noqa: ANN401 - click has checked them
    """Run the same cell with and without the recorder; exit with 1 unless the recorder adds at most 2 %."""
    from bench.calibration.cell_rounds import RoundOptions
    from bench.calibration.recorder_overhead import measure_overhead

    if not measure_overhead(RoundOptions(**options), Console()):
        ctx.exit(1)
