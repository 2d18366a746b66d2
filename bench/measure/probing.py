"""
Runs the probes under one strategy, in pytest processes and databases of their own, and says what came of each.

What hangs is killed, and what it might have left behind ends its process: the probes that follow go on in another one.
Nothing is timed, so several strategies may be probed at the same time.
"""

import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import rich.progress
from pydantic import TypeAdapter
from rich.console import Console

from bench.measure.cell import environment, kill_group, pytest_options
from bench.measure.child import LIBRARIES, run_pytest
from bench.probes.protocol import EVENTS_FILE, REFUSED_FILE, SECOND, Phase, PhaseEvent
from bench.results.endpoints import Client
from bench.results.errors import UserError
from bench.results.files import FIDELITY
from bench.results.paths import ROOT
from bench.results.records import Fidelity, ProbeResult
from bench.server import Server
from bench.strategy.declaration import Trap
from bench.strategy.discovery import load
from bench.strategy.loaded import LoadedStrategy, arguments_for_pytest
from bench.strategy.probe_catalogue import CONTROL, Family, Probe

PATIENCE = 12.0
"""Seconds without a word after which a process is killed; no probe takes half of that by itself."""

PATIENCE_AT_START = 60.0
"""
The same until its first test is set up: two workers of pytest-xdist import everything anew, and fixtures of session
scope make and migrate databases, on a machine that may be busy.
"""

POLL = 0.05

AT_A_TIME = 5
"""Strategies that are probed at the same time. They mostly wait, and each opens up to some twenty connections."""

MOST_LOST = 5
"""Of a strategy whose processes hang or die so often nobody waits for the rest."""

APART = (Probe.KILLED_PROCESS, Probe.TWO_WORKERS)
"""Probes that take processes of their own."""

_FOLDER = "bench/probes"
CONTROL_FILE = ROOT / "bench" / "probes" / f"{CONTROL}.py"
_EVENT = TypeAdapter(PhaseEvent)
_NEXT: dict[Phase, Phase] = {"start": "setup", "setup": "call", "call": "teardown"}


if sys.platform == "win32":
    PROCESSES = multiprocessing.get_context("spawn")
else:
    PROCESSES = multiprocessing.get_context("forkserver")
    PROCESSES.set_forkserver_preload([run_pytest.__module__, *LIBRARIES])
"""Starts processes that have imported the libraries already."""


class StoppedError(Exception):
    """Probing was stopped from outside."""


def can_be_probed(strategy: LoadedStrategy) -> bool:
    """Whether tests under a strategy get far enough to see anything; a trap's that declares errors do not."""
    return not (isinstance(strategy.declared, Trap) and strategy.declared.errors)


def probe_into(  # noqa: PLR0917 - a client is said in one place, and is the last
    folder: Path,
    strategies: Sequence[LoadedStrategy],
    server: Server,
    database_prefix: str,
    console: Console,
    client: Client | None = None,
) -> None:
    """Probe those strategies that can be, and keep each one's outcomes in a folder as soon as they are there."""
    probe_all(
        [strategy for strategy in strategies if can_be_probed(strategy)],
        server,
        database_prefix,
        lambda fidelity: FIDELITY.keep(folder, fidelity),
        console,
        client or Client(),
    )


def control() -> LoadedStrategy:
    """Return what every probe passes under, unless the probe is broken."""
    return load(str(CONTROL_FILE))


def probe_all(  # noqa: PLR0917 - as for whoever calls it
    strategies: Sequence[LoadedStrategy],
    server: Server,
    prefix: str,
    keep: Callable[[Fidelity], None],
    console: Console,
    client: Client,
) -> None:
    """
    Run all probes under each strategy, several strategies at a time, and show how far it is.

    :param prefix: what the names of its databases begin with, `looptrap_*_`.
    :param keep: called with the outcomes of each strategy as soon as they are there.
    :raises UserError: a strategy breaks the contract; those that were ready are kept.
    :raises KeyboardInterrupt: the same.
    """
    stopped = threading.Event()

    def probe(number: int, strategy: LoadedStrategy) -> Fidelity:
        with tempfile.TemporaryDirectory(prefix="looptrap-probes-") as folder:
            prober = _Prober(strategy, server, client, f"{prefix}{number}_", Path(folder), stopped)
            sights = prober.sights(list(Probe))
        described = f"{server.facts.kind}, Postgres {server.facts.version}"
        return Fidelity(strategy.name, strategy.facts().source_sha256, described, sights)

    with _shown(len(strategies), console) as advance, ThreadPoolExecutor(AT_A_TIME) as pool:
        try:
            jobs = [pool.submit(probe, number, strategy) for number, strategy in enumerate(strategies)]
            for job in as_completed(jobs):
                keep(job.result())
                advance(job.result())
        except BaseException:
            stopped.set()
            pool.shutdown(cancel_futures=True)
            raise


@contextmanager
def _shown(total: int, console: Console) -> Iterator[Callable[[Fidelity], None]]:
    """Show how many strategies are probed: a bar on a terminal, a line for each elsewhere."""
    columns = (rich.progress.TextColumn("probing"), rich.progress.BarColumn(), rich.progress.MofNCompleteColumn())
    left = rich.progress.TimeRemainingColumn()
    with rich.progress.Progress(
        *columns, left, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=total)

        def advance(fidelity: Fidelity) -> None:
            bar.advance(task)
            if not console.is_terminal:
                passed = sum(sight.outcome == "sees" for sight in fidelity.sights)
                console.print(f"probed {fidelity.strategy}: sees {passed} of {len(fidelity.sights)}", highlight=False)

        yield advance


class _Prober:
    """
    Runs the probes under one strategy.

    :param prefix: what the names of its databases begin with, `looptrap_*_`.
    :param folder: an empty one, for files that pass between the processes.
    :param stopped: set by whoever wants it to end early.
    """

    def __init__(  # noqa: PLR0917 - called in one place, above
        self,
        strategy: LoadedStrategy,
        server: Server,
        client: Client,
        prefix: str,
        folder: Path,
        stopped: threading.Event,
    ) -> None:
        self._strategy = strategy
        self._server = server
        self._client = client
        self._prefix = prefix
        self._folder = folder
        self._stopped = stopped
        self._databases = 0
        self._lost = 0

    def sights(self, probes: Sequence[Probe]) -> tuple[ProbeResult, ...]:
        """
        Return what comes of each probe, in their order.

        :raises UserError: the strategy breaks the contract.
        :raises StoppedError: it was stopped.
        """
        found: dict[Probe, ProbeResult] = {}
        try:
            while remaining := [probe for probe in probes if probe not in found and probe not in APART]:
                found |= self._some_of(remaining)
                if self._lost == MOST_LOST:
                    why = f"not run: the processes of {MOST_LOST} probes were lost, as this one's would be"
                    return tuple(found.get(probe, ProbeResult(probe, "breaks", why)) for probe in probes)
            if Probe.KILLED_PROCESS in probes:
                found[Probe.KILLED_PROCESS] = self._killed_process()
            if Probe.TWO_WORKERS in probes:
                found[Probe.TWO_WORKERS] = self._two_workers()
        finally:
            self._server.drop_databases(self._prefix)
        return tuple(found[probe] for probe in probes)

    def _some_of(self, probes: Sequence[Probe]) -> dict[Probe, ProbeResult]:
        """Run probes one after the other as far as one process goes, the first of them at least."""
        families = [f"{_FOLDER}/test_{family}.py" for family in Family if any(p.family == family for p in probes)]
        with self._database() as url:
            events, ended = self._run(url, f"--probes={','.join(probes)}", *families)
        sights = {_probe(one): _sight(one.probe, events) for one in events}
        last = events[-1] if events else PhaseEvent(probes[0], "", "start", "sees", "")
        if last.phase != "teardown":
            # It ended in the middle of a test, which no test is meant to do.
            sights[_probe(last)] = _broken(last, ended)
            self._lost += 1
        elif last.turn != SECOND and sights[_probe(last)].outcome == "sees":
            sights[_probe(last)] = ProbeResult(last.probe, "breaks", ended)
        return sights

    def _killed_process(self) -> ProbeResult:
        test = f"{_FOLDER}/apart/test_killed_process.py::test_killed_process"
        with self._database() as url:
            before, ended = self._run(url, f"{test}[first]")
            killed = before and (before[-1].phase, before[-1].outcome) == ("setup", "sees")
            if not killed:
                return self._first_failure(Probe.KILLED_PROCESS, before, ended)
            return self._first_failure(Probe.KILLED_PROCESS, *self._run(url, f"{test}[second]"))

    def _two_workers(self) -> ProbeResult:
        workers = ("-p", "xdist.plugin", "-n", "2", "--dist", "each")
        test = f"{_FOLDER}/apart/test_two_workers.py::test_two_workers[first]"
        with self._database() as url:
            events, ended = self._run(url, *workers, test)
        return self._first_failure(Probe.TWO_WORKERS, events, ended)

    def _first_failure(self, probe: Probe, events: Sequence[PhaseEvent], ended: str) -> ProbeResult:
        if any(one.outcome != "sees" for one in events):
            return _sight(probe, events)
        if not events or events[-1].phase != "teardown":
            return _broken(events[-1] if events else PhaseEvent(probe, "", "start", "sees", ""), ended)
        return ProbeResult(probe, "sees", "")

    @contextmanager
    def _database(self) -> Iterator[str]:
        self._databases += 1
        name = f"{self._prefix}{self._databases}"
        yield self._server.create_database(name)
        # With what a strategy may have made beside it.
        self._server.drop_databases(name)

    def _run(self, url: str, *arguments: str) -> tuple[list[PhaseEvent], str]:
        """Run pytest, and return its events and how it ended."""
        events_file, output = self._folder / EVENTS_FILE, self._folder / "output.txt"
        events_file.unlink(missing_ok=True)
        strategy = self._strategy
        command = [
            *pytest_options(self._client),
            *arguments_for_pytest(strategy.module, strategy.plugins, strategy.declared),
            *("-q", "--no-header", "--tb=no", "-ofilterwarnings=default", f"--probe-folder={self._folder}"),
            *arguments,
        ]
        variables = environment(strategy, self._server, url, self._client)
        process = PROCESSES.Process(target=run_pytest, args=(command, variables, output))
        process.start()
        try:
            waited = self._wait(process, events_file)
        finally:
            if process.pid is not None and hasattr(os, "killpg"):
                kill_group(process.pid)
            process.kill()  # in the instant before it leads a group
            process.join()
        if (refused := self._folder / REFUSED_FILE).exists():
            raise UserError(f"strategy {strategy.name}: {refused.read_text()}")
        last = output.read_text(errors="replace").strip().splitlines()[-1:] if output.exists() else []
        ended = f"no end within {waited:g} s: killed" if waited else f"exit code {process.exitcode}: {''.join(last)}"
        return [_EVENT.validate_json(line) for line in _lines(events_file)], ended

    def _wait(self, process: BaseProcess, events_file: Path) -> float | None:
        """Wait for the end of a process; where it hangs instead, saying nothing any more, return for how long."""
        said, since = 0, time.monotonic()
        while process.exitcode is None:
            if self._stopped.is_set():
                raise StoppedError
            process.join(POLL)
            # Two workers tell of two starts before either has set up its test.
            patience = PATIENCE if said > 2 else PATIENCE_AT_START  # noqa: PLR2004 - of which the comment speaks
            now = len(_lines(events_file))
            if now != said:
                said, since = now, time.monotonic()
            elif time.monotonic() - since > patience:
                return patience
        return None


def _lines(events_file: Path) -> list[str]:
    return events_file.read_text().splitlines() if events_file.exists() else []


def _probe(event: PhaseEvent) -> Probe:
    return Probe[event.probe.upper()]


def _sight(probe: str, events: Sequence[PhaseEvent]) -> ProbeResult:
    """Return the first failure of a probe, or that it saw the behaviour."""
    failed = (one for one in events if one.probe == probe and one.outcome != "sees")
    first = next(failed, None)
    return ProbeResult(probe, "sees", "") if first is None else ProbeResult(probe, first.outcome, _detail(first))


def _broken(last: PhaseEvent, ended: str) -> ProbeResult:
    """Say of a probe in whose middle the process ended where that was."""
    phase = _NEXT.get(last.phase, last.phase)
    return ProbeResult(last.probe, "breaks", f"in the {phase} of the {last.turn or 'first'} test: {ended}")


def _detail(failed: PhaseEvent) -> str:
    # asyncio names files of tasks and handles; where they lie on this machine tells nobody anything.
    said = failed.detail.replace(f"{ROOT}{os.sep}", "")
    return f"in the {failed.phase} of the {failed.turn} test\n{said}"
