"""`nox -s compare -- A B`: compare two runs, with gates for CI."""

from pathlib import Path

import click
from rich.console import Console

from bench.commands.options import SHARE


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option(
    "--fail-slower",
    type=SHARE,
    help="Exit with 1 if a strategy is significantly slower in B, by more than this percentage.",
)
@click.option(
    "--fail-wal", type=SHARE, help="Exit with 1 if a strategy writes more WAL in B, by more than this percentage."
)
@click.option(
    "--fail-statements",
    type=SHARE,
    help="Exit with 1 if a strategy sends more statements in B, by more than this percentage.",
)
@click.pass_context
def compare(  # noqa: PLR0917 - click passes names
    ctx: click.Context,
    /,
    a: Path,
    b: Path,
    fail_slower: float | None,
    fail_wal: float | None,
    fail_statements: float | None,
) -> None:
    """Compare run B with run A: first their environments, then their results. Percentages such as 20% are CI gates."""
    from bench.analysis.gates import Gates
    from bench.report.comparison_console import compare_runs

    if compare_runs(a, b, Gates(slower=fail_slower, wal=fail_wal, statements=fail_statements), Console()):
        ctx.exit(1)
