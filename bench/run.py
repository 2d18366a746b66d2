"""
One run from its options to its report: strategies, server, folder, rounds, then whatever the files say.

The order matters: all that the user may have typed wrong is looked at before a server is started.
"""

import contextlib
import secrets
import shlex
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

import bench.server
from bench import schedule
from bench.errors import UserError
from bench.machine import describe_machine
from bench.progress import Progress
from bench.report import report_run
from bench.results import RUN_FILE, SCHEMA, RoundLimits, Run, create_run, discard_if_empty, read_cells, write_run
from bench.server import Server
from bench.stopping import Limits
from bench.strategy import FLOOR, ROOT, TWIN, LoadedStrategy, load_all, names_in_tree
from bench.version import VERSION
from bench.workload import describe

QUICK_ROUNDS = 3
FEWEST_ROUNDS = 6
MOST_ROUNDS = 30
SECONDS_AROUND = 10
"""What starting the server and drawing the report take of the budget."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What the user asked for, as the command line gives it."""

    names: str | None
    tests: int
    rounds: int | None
    quick: bool
    budget: float
    choice: str
    image: str
    allow_remote: bool
    seed: int | None
    out: Path | None
    cell_timeout: float


def run_and_report(options: RunOptions, console: Console) -> None:
    """
    Measure, then show.

    :raises UserError: an option, a strategy, the server or the folder is not usable.
    :raises KeyboardInterrupt: the user stopped it; what was finished is on disk, and it says where.
    """
    plan = schedule.Plan(
        strategies=_strategies(options.names),
        tests=options.tests,
        limits=_limits(options),
        seed=secrets.randbelow(2**32) if options.seed is None else options.seed,
        cell_timeout=options.cell_timeout,
    )
    folder = _folder(options.out)
    try:
        with (
            bench.server.open_server(options.choice, image=options.image, allow_remote=options.allow_remote) as server,
            Progress(plan, console) as progress,
        ):
            run = _describe(options, plan, server)
            create_run(folder, run)
            console.print(
                f"Server: {server.facts.kind}, Postgres {server.facts.version} ({server.facts.why}).", markup=False
            )
            decisions = schedule.run(plan, server, folder, progress)
            write_run(folder, replace(run, decisions=tuple(decisions)))
    except BaseException as error:
        if not discard_if_empty(folder):
            _say_what_is_kept(folder, console)
        elif isinstance(error, KeyboardInterrupt | SystemExit):
            console.print("Stopped before a cell was finished.")
        raise
    report_run(folder, console)


def _say_what_is_kept(folder: Path, console: Console) -> None:
    console.print(
        f"Stopped. {sum(1 for _ in read_cells(folder))} cells are finished and kept in {shown(folder)}; "
        f"to see them: nox -s report -- {shlex.quote(shown(folder))}",
        markup=False,
        soft_wrap=True,
    )


def _limits(options: RunOptions) -> Limits:
    """Return the number of rounds: what was asked for, else as many as it takes."""
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else None)
    return Limits(rounds, rounds) if rounds else Limits(FEWEST_ROUNDS, MOST_ROUNDS, options.budget - SECONDS_AROUND)


def _strategies(names: str | None) -> list[LoadedStrategy]:
    """Load what was asked for, and the floor with its twin, against which all is measured."""
    asked = names_in_tree() if names is None else [name.strip() for name in names.split(",") if name.strip()]
    if not asked:
        raise UserError(
            f"--strategies {names!r} names none: give names with commas between, such as {FLOOR},create_drop."
        )
    return load_all(list(dict.fromkeys([FLOOR, TWIN, *asked])))


def _folder(out: Path | None) -> Path:
    """Choose the run's folder, and find out whether it can be written before anything else takes time."""
    folder = out or ROOT / "results" / datetime.now(UTC).strftime("%Y-%m-%d-%H%M%S")
    if (folder / RUN_FILE).exists():
        raise UserError(f"{shown(folder)} already holds a run: choose another folder with --out, or remove it.")
    probe = folder / ".looptrap-write-test"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)
            folder.rmdir()
        raise UserError(f"cannot write to {folder}: {error.strerror}. Choose another folder with --out.") from error
    return folder


def _describe(options: RunOptions, plan: schedule.Plan, server: Server) -> Run:
    return Run(
        schema=SCHEMA,
        looptrap=VERSION,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        command=_command(options, plan, server),
        seed=plan.seed,
        limits=RoundLimits(plan.limits.fewest, plan.limits.most, None if plan.limits.fixed else options.budget),
        decisions=(),
        strategies=tuple(strategy.facts() for strategy in plan.strategies),
        workload=describe(options.tests),
        server=server.facts,
        machine=describe_machine(),
    )


def _command(options: RunOptions, plan: schedule.Plan, server: Server) -> str:
    """Return the command that makes such a run again. A DSN may hold a password, so it is not repeated."""
    parts = ["nox", "-s", "bench", "--"]
    if options.names:
        parts += ["--strategies", options.names]
    parts += ["--tests", str(options.tests)]
    parts += ["--rounds", str(plan.limits.most)] if plan.limits.fixed else ["--budget", f"{options.budget:g}"]
    parts += ["--seed", str(plan.seed), "--server", "DSN" if server.facts.kind == "dsn" else server.facts.kind]
    if server.facts.kind == "container":
        parts += ["--image", options.image]
    return shlex.join(parts)


def shown(path: Path) -> str:
    """Return the path as short as it can be typed from here."""
    absolute = path.resolve()
    here = Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(absolute)
