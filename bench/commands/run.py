"""`nox -s bench`: measure strategies, then show tables, charts and a page."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from bench.commands.options import DURATION, client_options, server_options, strategies_options, with_peers
from bench.commands.strategy_list import print_strategies
from bench.workload import LARGEST

MOST_ROUNDS = 1000
LARGEST_SEED = 2**32 - 1
UNUSABLE = 3
"""The exit code of `run --strict` if noise makes the run unusable."""


@click.command()
@strategies_options
@click.option("--tests", type=click.IntRange(1, LARGEST.tests), default=28, show_default=True, help="Tests per cell.")
@click.option(
    "--sweep",
    multiple=True,
    metavar="NAME=A,B,C",
    help="Sizes, to show how cost grows: tests=10,100,1000, tables=5,50,200 or rows=0,1000,100000. Or conditions: "
    "server=embedded,container, pg=18,16, setting:fsync=on,off, tmpfs=no,yes, transport=unix,tcp, "
    "driver=asyncpg,psycopg, loop=asyncio,uvloop, runner=pytest-asyncio,anyio. The first value is the default. "
    "Repeatable.",
)
@click.option(
    "--rounds",
    type=click.IntRange(1, MOST_ROUNDS),
    help="Number of timed rounds.  [default: until the results are clear]",
)
@click.option("--quick", is_flag=True, help="Only three rounds: fast, but with wide intervals.")
@click.option(
    "--budget",
    type=DURATION,
    default="90s",
    show_default=True,
    help="Time limit if --rounds is not given, such as 90s, 3m or 1h; no round starts that would exceed it.",
)
@server_options
@client_options
@click.option("--seed", type=click.IntRange(0, LARGEST_SEED), help="Seed of the random order.  [default: a new one]")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the results.  [default: a new one in results/]",
)
@click.option(
    "--cell-timeout",
    type=click.FloatRange(1),
    default=900,
    show_default=True,
    metavar="SECONDS",
    help="Kill a cell's process after this many seconds, and record a timeout.",
)
@click.option("--check/--no-check", default=True, show_default=True, help="Whether to run the probes before measuring.")
@click.option(
    "--need",
    metavar="PROBE,PROBE",
    help="Rank only strategies that pass these probes or families of probes, such as second_connection,notify.",
)
@click.option("--strict", is_flag=True, help=f"Exit with code {UNUSABLE} if noise makes the run unusable.")
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Resume an interrupted run with its own options. If it used a DSN, add --server DSN.",
)
@click.option("--list", "only_list", is_flag=True, help="List the strategies and exit.")
@click.pass_context
def run(
    ctx: click.Context,
    /,
    *,
    names: str,
    peers: bool,
    only_list: bool,
    strict: bool,
    resume: Path | None,
    sweep: tuple[str, ...],
    **options: Any,  # noqa: ANN401 - click has checked them
) -> None:
    """Measure strategies on a real Postgres, then show tables and charts."""
    console = Console()
    if only_list:
        print_strategies(console)
        return
    from bench.adopt.assemble import conftest_of
    from bench.measure.description import RunOptions
    from bench.measure.session import measure_run, resume_run
    from bench.measure.sweep import parse_sweep

    if resume is None:
        chosen = RunOptions(names=with_peers(names, peers=peers), sweep=parse_sweep(sweep), **options)
        folder = measure_run(chosen, console, lambda strategy: conftest_of(strategy).text)
    else:
        _refuse_beside_resume(ctx)
        folder = resume_run(resume, options["source"], console)
    # Imported after measuring: pandas and matplotlib take memory and time.
    from bench.report.run_report import report_run

    analysis = report_run(folder, console)
    if strict and analysis.noise.verdict == "unusable":
        ctx.exit(UNUSABLE)


def _refuse_beside_resume(ctx: click.Context) -> None:
    """Refuse options that would change a run."""
    for param in ctx.command.params:
        given = ctx.get_parameter_source(str(param.name)) is not click.core.ParameterSource.DEFAULT
        # With --resume, --peers only chooses the nox environment.
        if given and param.name not in {"resume", "choice", "allow_remote", "strict", "peers"}:
            raise click.UsageError(f"{param.opts[0]} cannot be combined with --resume: a run keeps its own options.")
