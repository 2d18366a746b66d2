"""The command line: `python -m bench COMMAND`. Each command is thin; what it does stands in a module of its own."""

import re
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click
from rich.console import Console
from rich.table import Table

from bench.errors import UserError
from bench.strategy import TWIN, Trap, load_all, names_in_tree
from bench.workload import MOST_TESTS

MOST_ROUNDS = 1000
LARGEST_SEED = 2**32 - 1


class Duration(click.ParamType[float]):
    """A length of time such as 90s, 3m or 1h, in seconds."""

    name = "duration"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", str(value))
        if match is None or not float(match[1]):
            self.fail(f"{value!r} is not a duration: give a number and s, m or h, such as 90s or 3m.", param, ctx)
        return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def looptrap() -> None:
    """Compare ways of isolating the tests of an async FastAPI + SQLAlchemy + Postgres suite."""


@looptrap.command()
@click.option("--strategies", "names", metavar="A,B", help="Names, dotted names or paths; default: all in strategies/.")
@click.option("--tests", type=click.IntRange(1, MOST_TESTS), default=100, show_default=True, help="Tests per cell.")
@click.option(
    "--rounds", type=click.IntRange(1, MOST_ROUNDS), help="Timed rounds, exactly.  [default: as many as it takes]"
)
@click.option("--quick", is_flag=True, help="Three rounds: a first look, with wide intervals.")
@click.option(
    "--budget",
    type=Duration(),
    default="3m",
    show_default=True,
    help="Without --rounds: begin no round that would end later than so. Such as 90s, 3m, 1h.",
)
@click.option(
    "--server",
    "choice",
    metavar="auto|container|embedded|DSN",
    default="auto",
    show_default=True,
    help="Where Postgres comes from. auto: LOOPTRAP_DSN if set, else Docker, else embedded.",
)
@click.option("--image", default="postgres:17", show_default=True, help="Image of the container.")
@click.option("--allow-remote", is_flag=True, help="Accept a DSN of another host.")
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
@click.option("--list", "only_list", is_flag=True, help="List the strategies and stop.")
def run(*, only_list: bool, **options: object) -> None:
    """Run strategies against a real Postgres, then show table and chart."""
    console = Console()
    if only_list:
        list_strategies(console)
        return
    # Here and not above, so that --help and --list start at once.
    from bench.run import RunOptions, run_and_report  # noqa: PLC0415

    run_and_report(RunOptions(**options), console)  # type: ignore[arg-type] # click has checked them


@looptrap.command()
@click.argument("run", type=click.Path(path_type=Path))
def report(run: Path) -> None:
    """Draw table and chart of a run again."""
    from bench.report import report_run  # noqa: PLC0415 - as above

    report_run(run, Console())


@looptrap.command()
@click.argument("name")
def new(name: str) -> None:
    """Write a strategy file that runs as it is."""
    from bench.scaffold import new_strategy  # noqa: PLC0415 - as above

    path = new_strategy(name)
    click.echo(f"wrote {path}; try it: nox -s bench -- --quick --strategies {name}")


def list_strategies(console: Console) -> None:
    """Print every strategy of the tree with its summary."""
    table = Table(box=None, pad_edge=False)
    table.add_column("strategy", no_wrap=True)
    table.add_column("")
    table.add_column("what it is")
    for strategy in load_all(names_in_tree()):
        kind = "trap" if isinstance(strategy.declared, Trap) else "hidden" if strategy.name == TWIN else ""
        table.add_row(strategy.name, kind, strategy.summary)
    console.print(table)


def main() -> NoReturn:
    """Run the command line; whatever the user can mend is one line and exit code 2."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        looptrap.main(prog_name="python -m bench", standalone_mode=False)
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
    sys.exit(0)


def _complain(message: str) -> int:
    click.echo(f"looptrap: {' '.join(message.split())}", err=True)
    return 2


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    """End by an exception, so that server and databases are cleared away as after any other end."""
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
