"""
One run from its options to its report: strategies, server, folder, rounds, then whatever the files say.

The order matters: all that the user may have typed wrong is looked at before a server is started.
"""

import contextlib
import math
import os
import re
import secrets
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console

import bench.server
from bench import schedule
from bench.check import control, probe_into
from bench.errors import UserError
from bench.explain import trace_all
from bench.fidelity import needed
from bench.machine import describe_machine
from bench.progress import Progress
from bench.results import (
    RUN_FILE,
    SCHEMA,
    Configuration,
    Machine,
    RoundLimits,
    Run,
    ServerFacts,
    Size,
    StrategyFacts,
    Workload,
    create_run,
    discard_if_empty,
    read_cells,
    read_fidelity,
    read_run,
    write_run,
)
from bench.server import Server, ServerDiedError, untimed
from bench.source import Client, Source
from bench.stopping import Limits
from bench.strategy import CORE, FLOOR, ROOT, TWIN, LoadedStrategy, able, lasting, load_all, references_in
from bench.traces import keep_trace, read_traces
from bench.version import VERSION, commit
from bench.workload import LARGEST, SMALLEST, describe

if TYPE_CHECKING:
    from bench.analysis import Analysis

_Facts = TypeVar("_Facts", Machine, ServerFacts, StrategyFacts, Workload)

MOST_DEATHS = 3
"""A server that has died so often will die again."""

QUICK_ROUNDS = 3
FEWEST_ROUNDS = 6
MOST_ROUNDS = 30
SECONDS_AROUND = 10
"""What starting the server and drawing the report take of the budget."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What the user asked for, as the command line gives it."""

    names: str
    tests: int
    sweep: Sequence[str]
    rounds: int | None
    quick: bool
    budget: float
    source: Source
    client: Client
    seed: int | None
    out: Path | None
    cell_timeout: float
    check: bool
    need: str | None


def run_and_report(options: RunOptions, console: Console) -> "Analysis":
    """
    Measure, then show.

    :raises UserError: an option, a strategy, the server or the folder is not usable.
    :raises KeyboardInterrupt: the user stopped it; what was finished is on disk, and it says where.
    """
    references = _references(options.names)
    strategies = load_all(references)
    plan = schedule.Plan(
        strategies=able(strategies),
        sizes=sizes(options.tests, options.sweep),
        limits=_limits(options),
        seed=secrets.randbelow(2**32) if options.seed is None else options.seed,
        cell_timeout=options.cell_timeout,
    )
    need = () if options.need is None else needed(options.need)
    if need and not options.check:
        raise UserError("--need looks at what the probes see, and --no-check leaves them out: say one of the two.")
    folder = _folder(options.out)

    def begin(server: Server) -> Run:
        run = _describe(options, references, strategies, plan, need, server)
        create_run(folder, run)
        return run

    return _measure_and_report(plan, folder, options.source, begin, console)


def resume_and_report(folder: Path, said: Source, console: Console) -> "Analysis":
    """
    Go on with a run that was stopped, in whatever way, then show it. What is finished is not run again.

    :param said: whose choice is `auto`, or the DSN of the server that the run was made on, since that is not kept.
    :raises UserError: as `run_and_report`; the run is complete; or it cannot be gone on with, for something that it
        depends on has changed.
    """
    run = read_run(folder)
    if run.decisions:
        raise UserError(f"{shown(folder)} is complete: to see it, type nox -s report -- {shlex.quote(shown(folder))}")
    asked = run.configuration
    strategies = load_all(asked.strategies)
    plan = schedule.Plan(
        strategies=able(strategies),
        sizes=(run.workload.size, *run.workload.sweep),
        limits=Limits(
            run.limits.fewest,
            run.limits.most,
            math.inf if run.limits.budget is None else run.limits.budget - SECONDS_AROUND,
        ),
        seed=run.seed,
        cell_timeout=asked.cell_timeout,
    )
    _check_same(folder, run, strategies, plan)
    choice = said.choice if run.server.kind == "dsn" else run.server.kind
    if choice == "auto" and not os.environ.get(bench.server.DSN_VARIABLE):
        raise UserError(
            f"{shown(folder)} was made on a server by its DSN, which is not kept: say --server DSN beside --resume, "
            f"or set {bench.server.DSN_VARIABLE}."
        )
    allowed = said.allow_remote or asked.source.allow_remote
    source = replace(asked.source, choice=choice, allow_remote=allowed)

    def go_on(server: Server) -> Run:
        return _go_on(folder, server)

    return _measure_and_report(plan, folder, source, go_on, console)


def _measure_and_report(
    plan: schedule.Plan, folder: Path, source: Source, begin: Callable[[Server], Run], console: Console
) -> "Analysis":
    try:
        deaths, facts = 0, None
        while True:
            try:
                with bench.server.open_server(source) as server:
                    run = begin(server)
                    facts = server.facts
                    console.print(f"Server: {facts} ({facts.why}).", markup=False, soft_wrap=True)
                    started = time.monotonic()
                    if run.configuration.check:
                        _check(plan, folder, server, run.database_prefix, console)
                    left = plan.limits.seconds - (time.monotonic() - started)
                    in_budget = replace(plan, limits=replace(plan.limits, seconds=left))
                    with Progress(in_budget, console) as progress:
                        decisions = schedule.run(in_budget, server, folder, run.database_prefix, progress)
                    write_run(folder, replace(run, decisions=tuple(decisions)))
                break
            except ServerDiedError as error:
                deaths += 1
                # A server that is not ours to start has to be started by its owner.
                if facts is None or facts.kind == "dsn" or deaths == MOST_DEATHS:
                    raise
                console.print(f"{error} Starting another.", markup=False, soft_wrap=True)
                source = replace(source, choice=facts.kind)

                def begin(server: Server) -> Run:
                    return _go_on(folder, server)
    except BaseException as error:
        if not discard_if_empty(folder):
            _say_what_is_kept(folder, console)
        elif isinstance(error, KeyboardInterrupt | SystemExit):
            console.print("Stopped before a cell was finished.")
        raise
    # Not at the top: nothing of what looks is to be in memory, or waited for, while something is measured.
    from bench.report import report_run  # noqa: PLC0415

    return report_run(folder, console)


def _check(plan: schedule.Plan, folder: Path, server: Server, database_prefix: str, console: Console) -> None:
    """Probe and trace the strategies of which the run has no outcomes or no trace yet."""
    probed, traced = read_fidelity(folder), read_traces(folder)
    # The twin is the floor, and would see what that sees.
    shown = [strategy for strategy in plan.strategies if strategy.name != TWIN]
    to_probe = [one for one in (control(), *shown) if one.name not in probed]
    to_trace = [one for one in shown if one.name not in traced]
    with untimed(server) as place:
        probe_into(folder, to_probe, place, f"{database_prefix}probes_", console)
        trace_all(to_trace, place, f"{database_prefix}traces_", lambda trace: keep_trace(folder, trace), console)


def _go_on(folder: Path, server: Server) -> Run:
    """Take a server for a run that has been begun: it must be like the one before."""
    run = read_run(folder)
    _refuse_differences(folder, run, "server", replace(run.server, why=""), replace(server.facts, why=""))
    server.drop_databases(run.database_prefix)
    return run


def _check_same(folder: Path, run: Run, strategies: Sequence[LoadedStrategy], plan: schedule.Plan) -> None:
    """Refuse to go on where cells before and after would not be of the same kind."""
    # A kernel counts a few kB of memory more or less as it starts, and a power cut is what a run may go on after.
    now = replace(describe_machine(), memory_bytes=run.machine.memory_bytes)
    _refuse_differences(folder, run, "machine", run.machine, now)
    _refuse_differences(folder, run, "workload", run.workload, describe(plan.sizes[0], plan.sizes[1:]))
    for then, strategy in zip(run.strategies, strategies, strict=True):
        _refuse_differences(folder, run, f"strategy {then.name}", then, strategy.facts())


def _refuse_differences(folder: Path, run: Run, what: str, then: _Facts, now: _Facts) -> None:
    differing = [field.name for field in fields(then) if getattr(then, field.name) != getattr(now, field.name)]
    if differing:
        name = differing[0]
        raise UserError(
            f"{shown(folder)} cannot be gone on with: the {what} has changed ({name} was "
            f"{str(getattr(then, name))[:80]}, is {str(getattr(now, name))[:80]}). Start anew: {run.command}"
        )


def _say_what_is_kept(folder: Path, console: Console) -> None:
    console.print(
        f"Stopped. {sum(1 for _ in read_cells(folder))} cells are finished and kept in {shown(folder)}; "
        f"to go on: nox -s bench -- --resume {shlex.quote(shown(folder))}; "
        f"to see them: nox -s report -- {shlex.quote(shown(folder))}",
        markup=False,
        soft_wrap=True,
    )


def _limits(options: RunOptions) -> Limits:
    """Return the number of rounds: what was asked for, else as many as it takes."""
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else None)
    return Limits(rounds, rounds) if rounds else Limits(FEWEST_ROUNDS, MOST_ROUNDS, options.budget - SECONDS_AROUND)


def _references(names: str) -> list[str]:
    """Return what was asked for, and the floor with its twin, against which all is measured."""
    return list(dict.fromkeys([FLOOR, TWIN, *map(lasting, references_in(names))]))


def sizes(tests: int, sweep: Sequence[str]) -> list[Size]:
    """
    Return the base size, and for each value of a sweep that differs from it the base with that one number changed.

    One number at a time: a grid of all combinations would take hours.

    :param sweep: such as `tests=10,100,1000`.
    :raises UserError: one does not read like that, or a number is out of range.
    """
    base = replace(SMALLEST, tests=tests)
    names = [field.name for field in fields(Size)]
    found = [base]
    for text in sweep:
        name, _, values = text.partition("=")
        if name not in names or not re.fullmatch(r"\d{1,9}(,\d{1,9})*", values):
            raise UserError(f"--sweep {text!r}: give {', '.join(names)} and numbers, such as tests=10,100,1000.")
        least, most = getattr(SMALLEST, name), getattr(LARGEST, name)
        for value in map(int, values.split(",")):
            if not least <= value <= most:
                raise UserError(f"--sweep {text!r}: {value} is out of range; {name} go from {least} to {most}.")
            found.append(replace(base, **{name: value}))
    return list(dict.fromkeys(found))


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


def _describe(  # noqa: PLR0917 - called in one place, above
    options: RunOptions,
    references: Sequence[str],
    strategies: Sequence[LoadedStrategy],
    plan: schedule.Plan,
    need: tuple[str, ...],
    server: Server,
) -> Run:
    return Run(
        schema=SCHEMA,
        looptrap=VERSION,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        database_prefix=f"looptrap_{secrets.token_hex(4)}_",
        commit=commit(),
        command=_command(options, plan, server),
        configuration=Configuration(
            strategies=tuple(references),
            cell_timeout=options.cell_timeout,
            source=replace(options.source, choice=server.facts.kind),
            sweep=tuple(options.sweep),
            check=options.check,
            need=need,
        ),
        seed=plan.seed,
        limits=RoundLimits(plan.limits.fewest, plan.limits.most, None if plan.limits.fixed else options.budget),
        decisions=(),
        strategies=tuple(strategy.facts() for strategy in strategies),
        workload=describe(plan.sizes[0], plan.sizes[1:]),
        server=server.facts,
        machine=describe_machine(),
        client=options.client,
    )


def _command(options: RunOptions, plan: schedule.Plan, server: Server) -> str:
    """Return the command that makes such a run again. A DSN may hold a password, so it is not repeated."""
    parts = ["nox", "-s", "bench", "--"]
    if options.names != CORE:
        parts += ["--strategies", options.names]
    parts += ["--tests", str(options.tests)]
    for text in options.sweep:
        parts += ["--sweep", text]
    if options.need:
        parts += ["--need", options.need]
    if not options.check:
        parts.append("--no-check")
    parts += ["--rounds", str(plan.limits.most)] if plan.limits.fixed else ["--budget", f"{options.budget:g}"]
    parts += ["--seed", str(plan.seed), "--server", "DSN" if server.facts.kind == "dsn" else server.facts.kind]
    source, client = options.source, options.client
    parts += ["--image", source.image] if source.image else []
    parts += ["--pg", str(source.pg)] if source.pg else []
    for name, value in source.settings.items():
        parts += ["--setting", f"{name}={value}"]
    parts += ["--tmpfs"] if source.tmpfs else []
    parts += ["--transport", source.transport] if source.transport else []
    for name in ("driver", "loop", "runner"):
        if getattr(client, name) != getattr(Client(), name):
            parts += [f"--{name}", getattr(client, name)]
    return shlex.join(parts)


def shown(path: Path) -> str:
    """Return the path as short as it can be typed from here."""
    absolute = path.resolve()
    here = Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(absolute)
