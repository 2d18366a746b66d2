"""`nox -s report -- RUN`: write the page, the charts and the tables of a run again."""

from pathlib import Path

import click
from rich.console import Console


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--need",
    metavar="PROBE,PROBE",
    help="Rank only strategies that pass these probes, in place of the run's own --need.",
)
def report(run: Path, need: str | None) -> None:
    """Write the page, the charts and the tables of a run again."""
    from bench.report.run_report import report_run
    from bench.strategy.probe_catalogue import parse_probes

    report_run(run, Console(), () if need is None else parse_probes(need))
