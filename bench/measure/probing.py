"""
Runs the probes under one strategy, in pytest processes and databases of their own, and returns the outcome of each.

A probe that hangs is killed with its process, and the remaining probes run in another one. Nothing is timed, so several
strategies are probed at the same time.
"""

import os
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from pydantic import TypeAdapter
from rich.console import Console

from bench.measure.child import Ended, Start, run_child
from bench.measure.each_strategy import each_strategy
from bench.measure.progress import ProgressDisplay
from bench.measure.pytest_call import pytest_call
from bench.measure.templates import Templates
from bench.probes.protocol import EVENTS_FILE, REFUSED_FILE, SECOND, Phase, PhaseEvent
from bench.results.endpoints import Client
from bench.results.errors import UserError
from bench.results.files import FIDELITY
from bench.results.paths import ROOT
from bench.results.records import Fidelity, ProbeResult
from bench.server import Server
from bench.strategy.declaration import Trap
from bench.strategy.discovery import load
from bench.strategy.loaded import LoadedStrategy
from bench.strategy.probe_catalogue import CONTROL, Family, Probe

PATIENCE = 12.0
"""Seconds without progress after which a process is killed. No probe takes half of that."""

PATIENCE_AT_START = 60.0
"""
The same until the first test is set up: two workers of pytest-xdist import everything anew, and session fixtures make
and migrate databases, perhaps on a busy machine.
"""

POLL = 0.05

AT_A_TIME = 5
"""Strategies that are probed at the same time. They mostly wait, and each opens up to about twenty connections."""

MOST_LOST = 5
"""After this many hung or crashed processes, the remaining probes of a strategy are skipped."""

APART = (Probe.KILLED_PROCESS, Probe.TWO_WORKERS)
"""Probes that need processes of their own."""

_FOLDER = "bench/probes"
CONTROL_FILE = ROOT / "bench" / "probes" / f"{CONTROL}.py"
_EVENT = TypeAdapter(PhaseEvent)
_NEXT: dict[Phase, Phase] = {"start": "setup", "setup": "call", "call": "teardown"}


def can_be_probed(strategy: LoadedStrategy) -> bool:
    """Whether tests under a strategy get far enough for a probe; those of a trap that declares errors do not."""
    return not (isinstance(strategy.declared, Trap) and strategy.declared.errors)


def probe_into(  # noqa: PLR0917 - the client is the one that most callers leave out
    folder: Path,
    strategies: Sequence[LoadedStrategy],
    server: Server,
    database_prefix: str,
    console: Console,
    client: Client | None = None,
) -> None:
    """Probe the strategies for which that is possible, and store the outcomes of each in a folder as they come."""
    probe_all(
        [strategy for strategy in strategies if can_be_probed(strategy)],
        server,
        database_prefix,
        lambda fidelity: FIDELITY.store(folder, fidelity),
        console,
        client or Client(),
    )


def control() -> LoadedStrategy:
    """Return the control, under which every probe passes unless the probe itself is broken."""
    return load(str(CONTROL_FILE))


def probe_all(  # noqa: PLR0917 - as above
    strategies: Sequence[LoadedStrategy],
    server: Server,
    prefix: str,
    store: Callable[[Fidelity], None],
    console: Console,
    client: Client,
) -> None:
    """
    Run all probes under each strategy, several strategies at a time, and show the progress.

    :param prefix: of the names of its databases, `looptrap_*_`.
    :param store: called with the outcomes of each strategy as soon as they are complete.
    :raises UserError: a strategy breaks the contract; the outcomes that were complete are stored.
    :raises KeyboardInterrupt: the same.
    """

    def probe(number: int, strategy: LoadedStrategy, stopped: threading.Event) -> Fidelity:
        with tempfile.TemporaryDirectory(prefix="looptrap-probes-") as folder:
            prober = _Prober(start, strategy, server, client, f"{prefix}{number}_", Path(folder), stopped)
            results = prober.results(list(Probe))
        described = f"{server.facts.kind}, Postgres {server.facts.version}"
        return Fidelity(strategy.name, strategy.facts().source_sha256, described, results)

    def done(fidelity: Fidelity) -> None:
        store(fidelity)
        display.advance()
        passed = sum(result.outcome == "sees" for result in fidelity.sights)
        display.line(f"probed {fidelity.strategy}: sees {passed} of {len(fidelity.sights)}")

    with Templates() as templates, ProgressDisplay(console, "probing", len(strategies)) as display:
        start = templates.start_of(client)
        each_strategy(strategies, probe, AT_A_TIME, done)


class _Prober:
    """
    Runs the probes under one strategy.

    :param prefix: of the names of its databases, `looptrap_*_`.
    :param folder: an empty folder for files that processes exchange.
    :param stopped: an event that ends the probing early.
    """

    def __init__(  # noqa: PLR0917 - called in one place, above
        self,
        start: Start,
        strategy: LoadedStrategy,
        server: Server,
        client: Client,
        prefix: str,
        folder: Path,
        stopped: threading.Event,
    ) -> None:
        self._start = start
        self._strategy = strategy
        self._server = server
        self._client = client
        self._prefix = prefix
        self._folder = folder
        self._stopped = stopped
        self._databases = 0
        self._lost = 0

    def results(self, probes: Sequence[Probe]) -> tuple[ProbeResult, ...]:
        """
        Return the result of each probe, in their order.

        :raises UserError: the strategy breaks the contract.
        :raises StoppedError: the event was set.
        """
        found: dict[Probe, ProbeResult] = {}
        try:
            while remaining := [probe for probe in probes if probe not in found and probe not in APART]:
                found |= self._some_of(remaining)
                if self._lost == MOST_LOST:
                    why = f"skipped, because the processes of {MOST_LOST} other probes hung or crashed"
                    return tuple(found.get(probe, ProbeResult(probe, "breaks", why)) for probe in probes)
            if Probe.KILLED_PROCESS in probes:
                found[Probe.KILLED_PROCESS] = self._killed_process()
            if Probe.TWO_WORKERS in probes:
                found[Probe.TWO_WORKERS] = self._two_workers()
        finally:
            self._server.drop_databases(self._prefix)
        return tuple(found[probe] for probe in probes)

    def _some_of(self, probes: Sequence[Probe]) -> dict[Probe, ProbeResult]:
        """Run probes one after the other as far as one process gets, the first of them at least."""
        families = [f"{_FOLDER}/test_{family}.py" for family in Family if any(p.family == family for p in probes)]
        with self._database() as url:
            events, ended = self._run(url, f"--probes={','.join(probes)}", *families)
        results = {_probe(one): _result(one.probe, events) for one in events}
        last = events[-1] if events else PhaseEvent(probes[0], "", "start", "sees", "")
        if last.phase != "teardown":
            # The process ended during a test, which no probe does on purpose.
            results[_probe(last)] = _broken(last, ended)
            self._lost += 1
        elif last.turn != SECOND and results[_probe(last)].outcome == "sees":
            results[_probe(last)] = ProbeResult(last.probe, "breaks", ended.reason)
        return results

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

    def _first_failure(self, probe: Probe, events: Sequence[PhaseEvent], ended: Ended) -> ProbeResult:
        if any(one.outcome != "sees" for one in events):
            return _result(probe, events)
        if not events or events[-1].phase != "teardown":
            return _broken(events[-1] if events else PhaseEvent(probe, "", "start", "sees", ""), ended)
        return ProbeResult(probe, "sees", "")

    def _database(self) -> AbstractContextManager[str]:
        self._databases += 1
        return self._server.temporary_database(f"{self._prefix}{self._databases}")

    def _run(self, url: str, *arguments: str) -> tuple[list[PhaseEvent], Ended]:
        """Run pytest, and return what it reported and how it ended."""
        events_file = self._folder / EVENTS_FILE
        events_file.unlink(missing_ok=True)
        call = pytest_call(
            *(self._strategy, self._server, url, self._client, self._folder / "output.txt"),
            arguments=[f"--probe-folder={self._folder}", *arguments],
            thorough=True,
        )
        ended = run_child(self._start, call, _StallWatch(events_file), stopped=self._stopped)
        if (refused := self._folder / REFUSED_FILE).exists():
            raise UserError(f"strategy {self._strategy.name}: {refused.read_text()}")
        return [_EVENT.validate_json(line) for line in _lines(events_file)], ended


class _StallWatch:
    """A `bench.measure.child.Watch` that kills a process which has reported nothing for a while."""

    pause = POLL

    def __init__(self, events_file: Path) -> None:
        self._events_file = events_file
        self._said, self._since = 0, 0.0

    def exceeded(self, elapsed: float) -> str:
        said = len(_lines(self._events_file))
        if said != self._said:
            self._said, self._since = said, elapsed
        # Two workers report two starts before either has set up its test.
        patience = PATIENCE if said > 2 else PATIENCE_AT_START  # noqa: PLR2004 - see the comment
        return f"killed after {patience:g} s without progress" if elapsed - self._since > patience else ""


def _lines(events_file: Path) -> list[str]:
    return events_file.read_text().splitlines() if events_file.exists() else []


def _probe(events: PhaseEvent) -> Probe:
    return Probe[events.probe.upper()]


def _result(probe: str, events: Sequence[PhaseEvent]) -> ProbeResult:
    """Return the first failure of a probe, or `sees`."""
    failed = (one for one in events if one.probe == probe and one.outcome != "sees")
    first = next(failed, None)
    return ProbeResult(probe, "sees", "") if first is None else ProbeResult(probe, first.outcome, _detail(first))


def _broken(last: PhaseEvent, ended: Ended) -> ProbeResult:
    """Return the outcome of a probe during which the process ended."""
    phase = _NEXT.get(last.phase, last.phase)
    return ProbeResult(last.probe, "breaks", f"in the {phase} of the {last.turn or 'first'} test: {ended.reason}")


def _detail(failed: PhaseEvent) -> str:
    # asyncio prints the files of tasks and handles with their folder, which is of no use elsewhere.
    said = failed.detail.replace(f"{ROOT}{os.sep}", "")
    return f"in the {failed.phase} of the {failed.turn} test\n{said}"
