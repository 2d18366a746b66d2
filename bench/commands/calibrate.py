"""`nox -s calibrate`: check how well this machine measures known delays."""

from typing import Any

import click
from rich.console import Console

from bench.commands.options import server_options
from bench.commands.run import MOST_ROUNDS


@click.command()
@click.option(
    "--rounds", type=click.IntRange(2, MOST_ROUNDS), default=6, show_default=True, help="Number of measured rounds."
)
@server_options
@click.pass_context
def calibrate(ctx: click.Context, /, **options: Any) -> None:  # noqa: ANN401 - click has checked them
    """Add known delays to setup, call, teardown and session fixtures, and show how accurately they are measured."""
    from bench.calibration.cell_rounds import RoundOptions
    from bench.calibration.known_delays import TESTS, calibrate

    if not calibrate(RoundOptions(tests=TESTS, **options), Console()):
        ctx.exit(1)
