"""
`nox -s explain -- NAME`: trace three tests under a strategy, print the trace, and draw it in `results/explain/`.

A run makes the same traces for all its strategies.
"""

import secrets
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from bench.commands.options import server_options
from bench.results.endpoints import ServerSource
from bench.results.paths import ROOT

FOLDER = ROOT / "results" / "explain"


@click.command()
@click.argument("name")
@server_options
def explain(name: str, **options: Any) -> None:  # noqa: ANN401 - click has checked them
    """Run three tests under a strategy, and show which event loop used which connection, and how."""
    explain_strategy(name, options["source"], Console())


def explain_strategy(name: str, source: ServerSource, console: Console) -> None:
    """
    Trace three tests under a strategy, print the trace, and draw it.

    :raises UserError: the strategy, the server or the folder cannot be used.
    """
    from bench.measure.tracing import trace_all
    from bench.results.errors import UserError, unwritable
    from bench.results.traces import TRACES, Trace
    from bench.server import open_server
    from bench.strategy.discovery import load, runnable

    strategies = runnable([load(name)])
    if not strategies:
        raise UserError(f"{name} cannot run here: {load(name).unable}")
    try:
        FOLDER.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(FOLDER, error) from error
    made: list[Trace] = []
    with open_server(source) as server:
        console.print(server.introduction(), markup=False, soft_wrap=True)
        trace_all(strategies, server, f"looptrap_{secrets.token_hex(4)}_", made.append, console)
    if not made:
        raise UserError(f"no test started under {name}; to see why: nox -s bench -- --quick --strategies {name}")
    from bench.report.charts.timeline import picture
    from bench.report.trace_console import print_trace

    TRACES.store(FOLDER, made[0])
    _, png = picture(made[0]).write(FOLDER)
    print_trace(made[0], console)
    console.print(Text(f"Picture: {png}"), soft_wrap=True)
