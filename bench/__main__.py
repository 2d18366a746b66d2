"""The command line: `python -m bench COMMAND`. Each command is thin; what it does stands in a module of its own."""

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.table import Table

from bench.options import DURATION, SHARE, client_options, server_options, strategies_options, with_peers
from bench.results.errors import UserError
from bench.strategy.declaration import TWIN, Trap
from bench.strategy.discovery import load_all, names_in_tree, peers_in_tree
from bench.workload import LARGEST

MOST_ROUNDS = 1000
LARGEST_SEED = 2**32 - 1
UNUSABLE = 3
"""The exit code of `run --strict` when noise drowns the result."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def looptrap() -> None:
    """Compare ways of isolating the tests of an async FastAPI + SQLAlchemy + Postgres suite."""


@looptrap.command()
@strategies_options
@click.option("--tests", type=click.IntRange(1, LARGEST.tests), default=28, show_default=True, help="Tests per cell.")
@click.option(
    "--sweep",
    multiple=True,
    metavar="NAME=A,B,C",
    help="Show how cost grows: tests=10,100,1000, tables=5,50,200 or rows=0,1000,100000. Or compare what strategies "
    "cost under other conditions: server=embedded,container, pg=18,16, setting:fsync=on,off, tmpfs=no,yes, "
    "transport=unix,tcp, driver=asyncpg,psycopg, loop=asyncio,uvloop, runner=pytest-asyncio,anyio. Of each; "
    "the first value is the default. May be said several times.",
)
@click.option(
    "--rounds", type=click.IntRange(1, MOST_ROUNDS), help="Timed rounds, exactly.  [default: as many as it takes]"
)
@click.option("--quick", is_flag=True, help="Three rounds: a first look, with wide intervals.")
@click.option(
    "--budget",
    type=DURATION,
    default="3m",
    show_default=True,
    help="Without --rounds: begin no round that would end later than so. Such as 90s, 3m, 1h.",
)
@server_options
@client_options
@click.option("--seed", type=click.IntRange(0, LARGEST_SEED), help="Of the random order.  [default: a new one]")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the run.  [default: a new one in results/]",
)
@click.option(
    "--cell-timeout",
    type=click.FloatRange(1),
    default=900,
    show_default=True,
    metavar="SECONDS",
    help="A cell that takes longer is killed and recorded as such.",
)
@click.option("--check/--no-check", default=True, show_default=True, help="Run the probes: what tests see.")
@click.option(
    "--need",
    metavar="PROBE,PROBE",
    help="Rank only strategies that pass these probes, or families of probes, such as second_connection,notify.",
)
@click.option("--strict", is_flag=True, help=f"End with exit code {UNUSABLE} when the noise makes the run unusable.")
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Go on with a run that was stopped, as it was begun; with --server DSN if it was made on one.",
)
@click.option("--list", "only_list", is_flag=True, help="List the strategies and stop.")
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
    **options: Any,  # noqa: ANN401 - click has checked them
) -> None:
    """Run strategies against a real Postgres, then show table and chart."""
    console = Console()
    if only_list:
        list_strategies(console)
        return
    # Here and not above, so that --help and --list start at once.
    from bench.measure.description import RunOptions  # noqa: PLC0415
    from bench.run import resume_and_report, run_and_report  # noqa: PLC0415

    if resume is None:
        analysis = run_and_report(RunOptions(names=with_peers(names, peers=peers), **options), console)
    else:
        _refuse_beside_resume(ctx)
        analysis = resume_and_report(resume, options["source"], console)
    if strict and analysis.noise.verdict == "unusable":
        ctx.exit(UNUSABLE)


def _refuse_beside_resume(ctx: click.Context) -> None:
    """Refuse what would change a run in its middle."""
    for param in ctx.command.params:
        said = ctx.get_parameter_source(str(param.name)) is not click.core.ParameterSource.DEFAULT
        # Beside it, --peers chooses nox's environment alone.
        if said and param.name not in {"resume", "choice", "allow_remote", "strict", "peers"}:
            raise click.UsageError(f"{param.opts[0]} cannot be said beside --resume: a run goes on as it was begun.")


@looptrap.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--need", metavar="PROBE,PROBE", help="Rank only strategies that pass these, whatever the run was for.")
def report(run: Path, need: str | None) -> None:
    """Make page, pictures and tables of a run again."""
    from bench.analysis.fidelity import needed  # noqa: PLC0415 - as above
    from bench.report.run_report import report_run  # noqa: PLC0415 - as above

    report_run(run, Console(), () if need is None else needed(need))


@looptrap.command()
@strategies_options
@server_options
@click.option(
    "--why",
    nargs=2,
    metavar="STRATEGY PROBE",
    help="Show what came of a probe, with its detail, from the newest outcomes that are kept.",
)
@click.pass_context
def check(ctx: click.Context, /, *, names: str, peers: bool, why: tuple[str, str] | None, **options: Any) -> None:  # noqa: ANN401 - as above
    """Run the probes: what do tests see of a real Postgres, and is it what strategies declare? Exit 1 if not."""
    from bench.check import CheckOptions  # noqa: PLC0415 - as above
    from bench.check import check as find_out  # noqa: PLC0415 - as above
    from bench.check import why as explain  # noqa: PLC0415 - as above

    if why is not None:
        explain(*why, Console())
    elif not find_out(CheckOptions(names=with_peers(names, peers=peers), **options), Console()):
        ctx.exit(1)


@looptrap.command()
@click.argument("name")
@server_options
def explain(name: str, **options: Any) -> None:  # noqa: ANN401 - as above
    """See the loops: run three tests under a strategy, and show which loop used which connection, and for what."""
    from bench.explain import ExplainOptions  # noqa: PLC0415 - as above
    from bench.explain import explain as show  # noqa: PLC0415 - as above

    show(ExplainOptions(name=name, **options), Console())


@looptrap.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--fail-slower", type=SHARE, help="End with 1 where B is slower by more, and beyond its interval.")
@click.option("--fail-wal", type=SHARE, help="End with 1 where B writes so much more to the write-ahead log.")
@click.option("--fail-statements", type=SHARE, help="End with 1 where B sends so many more statements.")
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
    """Set run B beside run A, what differs around them first. Percentages such as 20% make gates for a CI job."""
    from bench.analysis.gates import Gates  # noqa: PLC0415 - as above
    from bench.report.comparison_console import compare_runs  # noqa: PLC0415 - as above

    if compare_runs(a, b, Gates(slower=fail_slower, wal=fail_wal, statements=fail_statements), Console()):
        ctx.exit(1)


@looptrap.command()
@click.option("--rounds", type=click.IntRange(2, MOST_ROUNDS), default=6, show_default=True)
@server_options
@click.pass_context
def calibrate(ctx: click.Context, /, **options: Any) -> None:  # noqa: ANN401 - as above
    """Add known delays to setup, call, teardown and session, and show what is measured of them; exit 1 if not found."""
    from bench.calibration.cell_rounds import TrialOptions  # noqa: PLC0415 - as above
    from bench.calibration.known_delays import TESTS  # noqa: PLC0415 - as above
    from bench.calibration.known_delays import calibrate as find  # noqa: PLC0415 - as above

    if not find(TrialOptions(tests=TESTS, **options), Console()):
        ctx.exit(1)


@looptrap.command()
@click.option("--rounds", type=click.IntRange(2, MOST_ROUNDS), default=3, show_default=True)
@click.option("--tests", type=click.IntRange(1, LARGEST.tests), default=100, show_default=True, help="Tests per cell.")
@server_options
@click.pass_context
def cost_of_looking(ctx: click.Context, /, **options: Any) -> None:  # noqa: ANN401 - as above
    """Run the same cell with and without the recorder, and show what that adds; exit 1 unless it is at most 2 %."""
    from bench.calibration.cell_rounds import TrialOptions  # noqa: PLC0415 - as above
    from bench.calibration.recorder_overhead import cost_of_looking as measure  # noqa: PLC0415 - as above

    if not measure(TrialOptions(**options), Console()):
        ctx.exit(1)


@looptrap.command()
def docs() -> None:
    """Make those parts of README and docs anew that come from strategies, probes and the reference run."""
    from bench.report.documentation import update_pages  # noqa: PLC0415 - as above
    from bench.run import shown  # noqa: PLC0415 - as above

    for page in update_pages():
        click.echo(f"changed {shown(page)}")


@looptrap.command()
@click.argument("name")
def new(name: str) -> None:
    """Write a strategy file that runs as it is."""
    from bench.scaffold import new_strategy  # noqa: PLC0415 - as above

    path = new_strategy(name)
    click.echo(f"wrote {path}; try it: nox -s bench -- --quick --strategies {name}")


@looptrap.command()
@click.argument("name")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write, which must not be there yet.  [default: print it]",
)
def adopt(name: str, out: Path | None) -> None:
    """Make a conftest.py of a strategy that needs nothing of looptrap: for your own project."""
    from bench.adopt.assemble import adopted, to_do, write_new  # noqa: PLC0415 - as above

    conftest = adopted(name)
    if out is None:
        click.echo(conftest, nl=False)
        return
    write_new(out, conftest)
    click.echo(f"wrote {out}\n\n{to_do(conftest)}")


def list_strategies(console: Console) -> None:
    """Print every strategy of the tree with its summary, and why one cannot run here."""
    table = Table(box=None, pad_edge=False)
    table.add_column("strategy", no_wrap=True)
    table.add_column("")
    table.add_column("what it is")
    for strategy in load_all([*names_in_tree(), *peers_in_tree()]):
        declared = strategy.declared
        kind = "peer" if declared.peer else "trap" if isinstance(declared, Trap) else ""
        kind = kind or ("hidden" if strategy.name == TWIN else "core" if declared.core else "")
        unable = f" Cannot run here: {strategy.unable}" if strategy.unable else ""
        table.add_row(strategy.name, kind, strategy.summary + unable)
    console.print(table)


def main() -> NoReturn:
    """Run the command line; whatever the user can mend is one line and exit code 2."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        sys.exit(looptrap.main(prog_name="python -m bench", standalone_mode=False))
    except UserError as error:
        sys.exit(_complain(str(error)))
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(2)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "python -m bench"
        sys.exit(_complain(f"{error.format_message()} Type {command} --help for what is valid."))
    except click.Abort:
        sys.exit(130)
    except KeyboardInterrupt:
        sys.exit(130)


def _complain(message: str) -> int:
    click.echo(f"looptrap: {' '.join(message.split())}", err=True)
    return 2


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    """End by an exception, so that server and databases are cleared away as after any other end."""
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
