"""
Measures one run, from its options to its last cell on disk: strategies, servers, folder, probes, traces, rounds.

All options are checked before a server starts.
"""

import contextlib
import math
import secrets
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from bench.measure import schedule
from bench.measure.description import Adopt, RunOptions, Servers, describe_run
from bench.measure.probing import control, probe_into
from bench.measure.progress import ProgressDisplay, duration
from bench.measure.resume import check_same_run, check_same_servers, source_to_resume
from bench.measure.run_progress import RunProgress
from bench.measure.stopping import Limits
from bench.measure.sweep import conditions, sizes
from bench.measure.tracing import CLIENT, trace_all
from bench.results.endpoints import ServerSource
from bench.results.errors import UserError
from bench.results.files import FIDELITY, RUN_FILE, create_run, discard_if_empty, read_cells, read_run, write_run
from bench.results.paths import ROOT, typed
from bench.results.records import Run
from bench.results.traces import TRACES
from bench.server import Server, ServerDiedError, open_server, untimed
from bench.strategy.declaration import FLOOR, TWIN
from bench.strategy.discovery import absolute_reference, load_all, references_in, runnable
from bench.strategy.probe_catalogue import parse_probes

MOST_DEATHS = 3
"""After this many deaths of the server, the run gives up."""

QUICK_ROUNDS = 3
FEWEST_ROUNDS = 10
MOST_ROUNDS = 30


def measure_run(options: RunOptions, console: Console, adopt: Adopt) -> Path:
    """
    Measure a new run, and return its folder.

    :param adopt: makes each strategy's fixture to copy.
    :raises UserError: an option, a strategy, the server or the folder is not usable.
    :raises KeyboardInterrupt: the user stopped it; the finished cells are on disk, and a message says where.
    """
    references = list(dict.fromkeys([FLOOR, TWIN, *map(absolute_reference, references_in(options.names))]))
    strategies = load_all(references)
    plan = schedule.Plan(
        strategies=runnable(strategies),
        sizes=sizes(options.tests, options.sweep),
        limits=_limits(options),
        seed=secrets.randbelow(2**32) if options.seed is None else options.seed,
        cell_timeout=options.cell_timeout,
        conditions=conditions(options.source, options.client, options.sweep),
    )
    schedule.refuse_budget(plan)
    need = () if options.need is None else parse_probes(options.need)
    if need and not options.check:
        raise UserError("--need requires the probes, and --no-check skips them: leave out one of the two.")
    folder = _folder(options.out)

    def describe(servers: Servers) -> Run:
        return describe_run(options, references, strategies, plan, need, servers, adopt)

    RunSession(plan, folder, console, describe).measure()
    return folder


def resume_run(folder: Path, given: ServerSource, console: Console) -> Path:
    """
    Continue an interrupted run, and return its folder. Finished cells are not run again.

    :param given: the server's source on the command line. Only a DSN matters, which a run does not record.
    :raises UserError: as for `measure_run`; or the run is complete, or something that it depends on has changed.
    """
    run = read_run(folder)
    if run.decisions:
        raise UserError(
            f"{typed(folder)} is complete; to see its report: nox -s report -- {shlex.quote(typed(folder))}"
        )
    recorded = run.configuration
    strategies = load_all(recorded.strategies)
    plan = schedule.Plan(
        strategies=runnable(strategies),
        sizes=(run.workload.size, *run.workload.sweep),
        limits=Limits(
            run.limits.fewest,
            run.limits.most,
            math.inf if run.limits.budget is None else run.limits.budget,
        ),
        seed=run.seed,
        cell_timeout=recorded.cell_timeout,
        conditions=conditions(recorded.source, recorded.client, recorded.sweep),
    )
    check_same_run(folder, run, strategies, plan)
    source = source_to_resume(folder, run, given)
    plan = replace(plan, conditions=conditions(source, recorded.client, recorded.sweep))
    RunSession(plan, folder, console).measure()
    return folder


class RunSession:
    """
    Measures one run. If a server that it started dies, it starts another and continues.

    :param describe: makes the record of a new run once its servers are open; None if the folder already holds the run.
    """

    def __init__(
        self,
        plan: schedule.Plan,
        folder: Path,
        console: Console,
        describe: Callable[[Servers], Run] | None = None,
    ) -> None:
        self._plan = plan
        self._folder = folder
        self._console = console
        self._describe = describe
        self._deaths = 0

    def measure(self) -> None:
        """
        Run what is missing; if it does not complete, print what is on disk.

        :raises ServerDiedError: the server died and was not started here, or it has died too often.
        """
        try:
            while not self._measured():
                pass
        except (KeyboardInterrupt, SystemExit):
            self._say_what_is_on_disk(otherwise="Stopped before a cell was finished.")
            raise
        except Exception:
            self._say_what_is_on_disk()
            raise

    def _measured(self) -> bool:
        """Measure on new servers until the run is complete; return False if one died and can be replaced."""
        with self._servers() as servers:
            try:
                self._measure_on(servers)
            except ServerDiedError as error:
                self._deaths += 1
                # Only the user can restart a server that was given by DSN.
                by_dsn = any(server.facts.kind == "dsn" for server in servers.values())
                if by_dsn or self._deaths == MOST_DEATHS:
                    raise
                self._console.print(f"{error} Starting another server.", markup=False, soft_wrap=True)
                self._fix_sources(servers)
                return False
        return True

    @contextlib.contextmanager
    def _servers(self) -> Iterator[Servers]:
        """Open and introduce the servers of all conditions, each once; yield them by condition name."""
        servers: Servers = {}
        with contextlib.ExitStack() as stack:
            opened: list[tuple[ServerSource, Server]] = []
            for condition in self._plan.conditions:
                server = next((server for source, server in opened if source == condition.source), None)
                if server is None:
                    server = stack.enter_context(open_server(condition.source))
                    opened.append((condition.source, server))
                    self._console.print(server.introduction(condition.name), markup=False, soft_wrap=True)
                servers[condition.name] = server
            yield servers

    def _measure_on(self, servers: Servers) -> None:
        run = self._prepare_run(servers)
        limits = self._plan.limits
        with ProgressDisplay(self._console, "measuring", limits.most) as display:
            progress = RunProgress(limits, display, self._console)
            rounds = schedule.Schedule(self._plan, servers, self._folder, run.database_prefix, progress)
            seconds = rounds.warm_up()
        count = str(limits.most) if limits.fixed else f"{limits.fewest} to {limits.most}"
        self._console.print(f"A round takes about {duration(seconds)}; {count} rounds.", highlight=False)
        if run.configuration.check:
            self._probe_and_trace(servers[""], run.database_prefix)
        with ProgressDisplay(self._console, "measuring", limits.most) as display:
            progress.show_in(display)
            decisions = rounds.rounds()
        write_run(self._folder, replace(run, decisions=tuple(decisions)))

    def _prepare_run(self, servers: Servers) -> Run:
        """Record a new run; of an older one, check that the servers have not changed."""
        if self._describe is not None:
            run = self._describe(servers)
            self._describe = None
            create_run(self._folder, run)
            return run
        run = read_run(self._folder)
        check_same_servers(self._folder, run, servers)
        for server in servers.values():
            server.drop_databases(run.database_prefix)
        return run

    def _probe_and_trace(self, server: Server, database_prefix: str) -> None:
        """Probe and trace the strategies that have not been probed or traced yet."""
        probed, traced = FIDELITY.read(self._folder), TRACES.read(self._folder)
        client = self._plan.conditions[0].client
        # The twin is the floor under another name, and would give the same results.
        shown = [one for one in self._plan.strategies if one.name != TWIN and not one.why_not(client)]
        to_probe = [one for one in (control(), *shown) if one.name not in probed]
        to_trace = [one for one in shown if one.name not in traced]
        with untimed(server) as place:
            probe_into(self._folder, to_probe, place, f"{database_prefix}probes_", self._console, client)
            if not client.is_declared_for:
                self._console.print(f"No traces: they need {CLIENT.driver}, {CLIENT.runner} and {CLIENT.loop}'s loop.")
                return
            trace_all(
                to_trace,
                place,
                f"{database_prefix}traces_",
                lambda trace: TRACES.store(self._folder, trace),
                self._console,
            )

    def _fix_sources(self, servers: Servers) -> None:
        """Make the next servers come from the same source, whatever `auto` would choose then."""
        settled = [
            replace(one, source=replace(one.source, choice=servers[one.name].facts.kind))
            for one in self._plan.conditions
        ]
        self._plan = replace(self._plan, conditions=settled)

    def _say_what_is_on_disk(self, otherwise: str = "") -> None:
        if discard_if_empty(self._folder):
            if otherwise:
                self._console.print(otherwise)
            return
        say_what_is_on_disk(self._folder, self._console)


def say_what_is_on_disk(folder: Path, console: Console) -> None:
    """Print how much of an interrupted run is on disk, and how to resume it or see its report."""
    cells, quoted = sum(1 for _ in read_cells(folder)), shlex.quote(typed(folder))
    finished = f"{cells} finished cells are" if cells else "The results of the probes are"
    look = f"; to see their report: nox -s report -- {quoted}" if cells else ""
    console.print(
        f"Stopped. {finished} in {typed(folder)}; to resume: nox -s bench -- --resume {quoted}{look}",
        markup=False,
        soft_wrap=True,
    )


def _limits(options: RunOptions) -> Limits:
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else None)
    return Limits(rounds, rounds) if rounds else Limits(FEWEST_ROUNDS, MOST_ROUNDS, options.budget)


def _folder(out: Path | None) -> Path:
    """Choose the run's folder, and check early that it can be written."""
    folder = out or ROOT / "results" / datetime.now(UTC).strftime("%Y-%m-%d-%H%M%S")
    if (folder / RUN_FILE).exists():
        raise UserError(f"{typed(folder)} already holds a run: choose another folder with --out, or remove it.")
    test = folder / ".looptrap-write-test"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        test.write_bytes(b"x")
        test.unlink()
    except OSError as error:
        with contextlib.suppress(OSError):
            test.unlink(missing_ok=True)
            folder.rmdir()
        raise UserError(f"cannot write to {folder}: {error.strerror}. Choose another folder with --out.") from error
    return folder
