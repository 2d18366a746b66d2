"""The command line: the group of all commands, and their common exit codes, one-line errors and signals."""

import signal
import sys
from types import FrameType
from typing import NoReturn

import click

from bench.commands.adopt import adopt
from bench.commands.calibrate import calibrate
from bench.commands.check import check
from bench.commands.compare import compare
from bench.commands.docs import docs
from bench.commands.explain import explain
from bench.commands.new import new
from bench.commands.recorder_overhead import recorder_overhead
from bench.commands.report import report
from bench.commands.run import run
from bench.results.errors import UserError


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    commands=[run, report, compare, check, explain, adopt, new, calibrate, recorder_overhead, docs],
)
def looptrap() -> None:
    """Compare ways of isolating the tests of an async FastAPI + SQLAlchemy + Postgres suite."""


def main() -> NoReturn:
    """Run the command line. An error that the user can correct is one line on stderr and exit code 2."""
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
        sys.exit(_complain(f"{error.format_message()} Type {command} --help for valid options."))
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)


def _complain(message: str) -> int:
    click.echo(f"looptrap: {' '.join(message.split())}", err=True)
    return 2


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    """Exit by raising SystemExit, so that the server and its databases are removed as after any other exit."""
    sys.exit(128 + number)
