"""
Runs one pytest process from its start to its end: for cells, probes and traces alike.

How the process starts is a parameter, a `Start`: `Spawn` starts a new interpreter, a template (`templates.py`) forks
one that has imported the libraries. However it ends, the process and everything that it started are killed.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import psutil

from bench.results.paths import ROOT
from bench.server.process_identity import identity, known

if sys.platform == "win32":
    resource = None
else:
    import resource

TESTS_RAN = (0, 1)
"""pytest's exit codes when it ran all tests, whether they passed or not."""

LONGEST_REASON = 500


class StoppedError(Exception):
    """The caller set the event that stops a process."""


@dataclass(frozen=True)
class PytestCall:
    """What a process runs."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    """All of it: nothing is inherited."""
    output: Path
    """The file that gets stdout and stderr."""
    thorough: bool = False
    """Whether a forked process tears its interpreter down at the end, so that leaks and errors there are seen."""


class Child(Protocol):
    """A process that has started, and leads a process group of its own, or will in a moment."""

    @property
    def pid(self) -> int:
        """Its number."""

    def wait(self, seconds: float | None = None) -> int | None:
        """Wait for its end for at most that many seconds; return its exit code, or None if it still runs."""

    def kill(self) -> None:
        """Kill it, but not what it started; do nothing if it has ended."""

    def cpu(self) -> float | None:
        """Return the processor time that it and what it started took, once it has ended; None if unknown."""


Start = Callable[[PytestCall], Child]


class Watch(Protocol):
    """Decides when to kill a process."""

    @property
    def pause(self) -> float:
        """Seconds between two calls of `exceeded`."""

    def exceeded(self, elapsed: float) -> str:
        """Return why the process is killed now, such as `killed after 30 s`; empty if it may continue."""


@dataclass(frozen=True)
class TimeLimit:
    """A `Watch` that kills a process after that many seconds."""

    seconds: float
    pause: float

    def exceeded(self, elapsed: float) -> str:
        """Return the reason if the time is over."""
        return f"killed after {self.seconds:g} s" if elapsed >= self.seconds else ""


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    exit_code: int
    killed: str
    """Why it was killed, as its `Watch` says; empty if it ended by itself."""
    wall: float
    """Seconds from its start to its end."""
    instant: float
    """When it ended, as a value of `time.perf_counter`."""
    output: str
    cpu: float | None
    """Seconds of processor time of the process and of what it started; None if unknown."""

    @property
    def reason(self) -> str:
        """Why it was killed, or its exit code and the last line of its output."""
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        return self.killed or f"exit code {self.exit_code}: {lines[-1] if lines else 'no output'}"[:LONGEST_REASON]


def run_child(
    start: Start,
    call: PytestCall,
    watch: Watch,
    *,
    stopped: threading.Event | None = None,
    identity_file: Path | None = None,
) -> Ended:
    """
    Run a process to its end, or until `watch` or `stopped` end it.

    :param identity_file: gets the identity of the process, so that `end_orphan` finds it if the harness is killed.
    :raises StoppedError: `stopped` was set.
    """
    killed = ""
    started = time.perf_counter()
    child = start(call)
    try:
        if identity_file is not None:
            identity_file.write_text(json.dumps(identity(psutil.Process(child.pid))))
        while not killed and child.wait(watch.pause) is None:
            if stopped is not None and stopped.is_set():
                raise StoppedError
            killed = watch.exceeded(time.perf_counter() - started)
    finally:
        ended = time.perf_counter()
        _kill_group(child.pid)
        child.kill()  # if it was not yet the leader of a group
        exit_code = cast("int", child.wait())
    output = call.output.read_text(errors="replace") if call.output.exists() else ""
    return Ended(exit_code, killed, ended - started, ended, output, child.cpu())


def end_orphan(identity_file: Path) -> None:
    """Kill the process that `run_child` recorded, and its group, if its harness was killed and it still runs."""
    with contextlib.suppress(OSError, ValueError):
        if (process := known(json.loads(identity_file.read_text()))) is not None:
            _kill_group(process.pid)
            process.kill()


def _kill_group(leader: int) -> None:
    """Kill all processes of a group, if there are any. Windows has no groups."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(leader, signal.SIGKILL)


@dataclass(frozen=True)
class Spawn:
    """
    A `Start`: a new interpreter that imports everything itself.

    :param under: a command with its arguments that runs the interpreter and watches it from outside, such as valgrind.
    """

    interpreter: str = sys.executable
    under: Sequence[str] = ()

    def __call__(self, call: PytestCall) -> Child:
        """Start it."""
        return _Spawned([*self.under, self.interpreter, "-m", "pytest", *call.arguments], call)


class _Spawned:
    def __init__(self, command: Sequence[str], call: PytestCall) -> None:
        self._before = _cpu_of_children()
        with call.output.open("wb") as output:
            # In a group of its own, so that Ctrl-C reaches only the harness, and what it starts can be killed with it.
            self._process = subprocess.Popen(  # noqa: S603 - an interpreter that the user chose, with our arguments
                command,
                cwd=ROOT,
                env=call.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def wait(self, seconds: float | None = None) -> int | None:
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        self._process.kill()

    def cpu(self) -> float | None:
        # Right only where one such process runs at a time, as cells do.
        after = _cpu_of_children()
        return None if after is None or self._before is None else after - self._before


def _cpu_of_children() -> float | None:
    """Return the processor time of all children of this process that have ended; None on Windows."""
    if resource is None:
        return None
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
