"""
One run from its options to its report: strategies, server, folder, rounds, then whatever the files say.

The order matters: all that the user may have typed wrong is looked at before a server is started.
"""

import contextlib
import math
import os
import secrets
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console

import bench.server
from bench.analysis.fidelity import needed
from bench.check import control, probe_into
from bench.explain import CLIENT, trace_all
from bench.measure import schedule
from bench.measure.description import RunOptions, Servers, describe_condition, describe_run, machine_of, sweeps_servers
from bench.measure.progress import Progress
from bench.measure.stopping import Limits
from bench.measure.sweep import Asked, conditions, sizes
from bench.results.endpoints import Source
from bench.results.errors import UserError
from bench.results.files import FIDELITY, RUN_FILE, create_run, discard_if_empty, read_cells, read_run, write_run
from bench.results.paths import ROOT
from bench.results.records import (
    Condition,
    Machine,
    Run,
    ServerFacts,
    StrategyFacts,
    Workload,
)
from bench.results.traces import TRACES
from bench.server import Server, ServerDiedError, untimed
from bench.strategy.declaration import FLOOR, TWIN, LoadedStrategy
from bench.strategy.discovery import able, lasting, load_all, references_in
from bench.workload import describe

if TYPE_CHECKING:
    from bench.analysis.ranking import Analysis

_Facts = TypeVar("_Facts", Condition, Machine, ServerFacts, StrategyFacts, Workload)

MOST_DEATHS = 3
"""A server that has died so often will die again."""

QUICK_ROUNDS = 3
FEWEST_ROUNDS = 6
MOST_ROUNDS = 30
SECONDS_AROUND = 10
"""What starting the server and drawing the report take of the budget."""


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
        conditions=conditions(options.source, options.client, options.sweep),
    )
    need = () if options.need is None else needed(options.need)
    if need and not options.check:
        raise UserError("--need looks at what the probes see, and --no-check leaves them out: say one of the two.")
    folder = _folder(options.out)

    def begin(servers: Servers) -> Run:
        run = describe_run(options, references, strategies, plan, need, servers)
        create_run(folder, run)
        return run

    return _measure_and_report(plan, folder, begin, console)


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
        conditions=conditions(asked.source, asked.client, asked.sweep),
    )
    _check_same(folder, run, strategies, plan)
    plan = replace(plan, conditions=conditions(_source(folder, run, said), asked.client, asked.sweep))

    def go_on(servers: Servers) -> Run:
        return _go_on(folder, servers)

    return _measure_and_report(plan, folder, go_on, console)


def _source(folder: Path, run: Run, said: Source) -> Source:
    """Return where the server of a run comes from that is gone on with."""
    asked, kind = run.configuration.source, run.server.kind
    if kind != "dsn":
        return asked if sweeps_servers(run.configuration.sweep) else replace(asked, choice=kind)
    if said.choice == "auto" and not os.environ.get(bench.server.DSN_VARIABLE):
        raise UserError(
            f"{shown(folder)} was made on a server by its DSN, which is not kept: say --server DSN beside --resume, "
            f"or set {bench.server.DSN_VARIABLE}."
        )
    return replace(asked, choice=said.choice, allow_remote=said.allow_remote or asked.allow_remote)


def _measure_and_report(
    plan: schedule.Plan, folder: Path, begin: Callable[[Servers], Run], console: Console
) -> "Analysis":
    try:
        deaths = 0
        opened: Servers = {}
        while True:
            try:
                with _open(plan.conditions, opened, console):
                    run = begin(opened)
                    started = time.monotonic()
                    if run.configuration.check:
                        _check(plan, folder, opened[""], run.database_prefix, console)
                    left = plan.limits.seconds - (time.monotonic() - started)
                    in_budget = replace(plan, limits=replace(plan.limits, seconds=left))
                    with Progress(in_budget, console) as progress:
                        decisions = schedule.run(in_budget, opened, folder, run.database_prefix, progress)
                    write_run(folder, replace(run, decisions=tuple(decisions)))
                break
            except ServerDiedError as error:
                deaths += 1
                # A server that is not ours to start has to be started by its owner.
                if len(opened) < len(plan.conditions) or _is_dsn(opened) or deaths == MOST_DEATHS:
                    raise
                console.print(f"{error} Starting another.", markup=False, soft_wrap=True)
                plan = replace(plan, conditions=_settled(plan.conditions, opened))

                def begin(servers: Servers) -> Run:
                    return _go_on(folder, servers)
    except BaseException as error:
        if not discard_if_empty(folder):
            _say_what_is_kept(folder, console)
        elif isinstance(error, KeyboardInterrupt | SystemExit):
            console.print("Stopped before a cell was finished.")
        raise
    # Not at the top: nothing of what looks is to be in memory, or waited for, while something is measured.
    from bench.report.run_report import report_run  # noqa: PLC0415

    return report_run(folder, console)


@contextlib.contextmanager
def _open(asked: Sequence[Asked], opened: Servers, console: Console) -> Iterator[None]:
    """Start the servers of all conditions, each once, and say what they are; `opened` gets them by their names."""
    opened.clear()
    with contextlib.ExitStack() as stack:
        ready: list[tuple[Source, Server]] = []
        for condition in asked:
            server = next((server for source, server in ready if source == condition.source), None)
            if server is None:
                server = stack.enter_context(bench.server.open_server(condition.source))
                ready.append((condition.source, server))
                console.print(server.introduction(condition.name), markup=False, soft_wrap=True)
            opened[condition.name] = server
        yield


def _is_dsn(opened: Servers) -> bool:
    return any(server.facts.kind == "dsn" for server in opened.values())


def _settled(asked: Sequence[Asked], opened: Servers) -> list[Asked]:
    """Return conditions whose servers come from where they came from before, whatever `auto` would find now."""
    return [replace(one, source=replace(one.source, choice=opened[one.name].facts.kind)) for one in asked]


def _check(plan: schedule.Plan, folder: Path, server: Server, database_prefix: str, console: Console) -> None:
    """Probe and trace the strategies of which the run has no outcomes or no trace yet."""
    probed, traced = FIDELITY.read(folder), TRACES.read(folder)
    # The twin is the floor, and would see what that sees.
    shown = [one for one in plan.strategies if one.name != TWIN and not one.why_not(plan.conditions[0].client)]
    to_probe = [one for one in (control(), *shown) if one.name not in probed]
    client = plan.conditions[0].client
    to_trace = [one for one in shown if one.name not in traced]
    with untimed(server) as place:
        probe_into(folder, to_probe, place, f"{database_prefix}probes_", console, client)
        if not client.is_declared_for:
            console.print(
                f"Not traced: only tests of {CLIENT.driver} under {CLIENT.runner} in {CLIENT.loop}'s loop are."
            )
            return
        trace_all(to_trace, place, f"{database_prefix}traces_", lambda trace: TRACES.keep(folder, trace), console)


def _go_on(folder: Path, servers: Servers) -> Run:
    """Take servers for a run that has been begun: they must be like those before."""
    run = read_run(folder)
    then = {"": run.server, **{condition.name: condition.server for condition in run.conditions}}
    for name, server in servers.items():
        what = f"server of {name}" if name else "server"
        _refuse_differences(folder, run, what, replace(then[name], why=""), replace(server.facts, why=""))
        server.drop_databases(run.database_prefix)
    return run


def _check_same(folder: Path, run: Run, strategies: Sequence[LoadedStrategy], plan: schedule.Plan) -> None:
    """Refuse to go on where cells before and after would not be of the same kind."""
    # A kernel counts a few kB of memory more or less as it starts, and a power cut is what a run may go on after.
    now = replace(machine_of(plan.conditions[0].client), memory_bytes=run.machine.memory_bytes)
    _refuse_differences(folder, run, "machine", run.machine, now)
    _refuse_differences(folder, run, "workload", run.workload, describe(plan.sizes[0], plan.sizes[1:]))
    for then, strategy in zip(run.strategies, strategies, strict=True):
        _refuse_differences(folder, run, f"strategy {then.name}", then, strategy.facts(run.client))
    for condition, asked in zip(run.conditions, plan.conditions[1:], strict=True):
        _refuse_differences(
            folder, run, f"condition {condition.name}", condition, describe_condition(asked, condition.server)
        )


def _refuse_differences(folder: Path, run: Run, what: str, then: _Facts, now: _Facts) -> None:
    differing = [field.name for field in fields(then) if getattr(then, field.name) != getattr(now, field.name)]
    if differing:
        name = differing[0]
        raise UserError(
            f"{shown(folder)} cannot be gone on with: the {what} has changed ({name} was "
            f"{str(getattr(then, name))[:80]}, is {str(getattr(now, name))[:80]}). Start anew: {run.command}"
        )


def _say_what_is_kept(folder: Path, console: Console) -> None:
    cells, quoted = sum(1 for _ in read_cells(folder)), shlex.quote(shown(folder))
    kept = f"{cells} cells are finished and kept" if cells else "What the probes saw is kept"
    see = f"; to see them: nox -s report -- {quoted}" if cells else ""
    console.print(
        f"Stopped. {kept} in {shown(folder)}; to go on: nox -s bench -- --resume {quoted}{see}",
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


def shown(path: Path) -> str:
    """Return the path as short as it can be typed from here."""
    absolute = path.resolve()
    here = Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(absolute)
