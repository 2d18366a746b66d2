"""
Traces three tests under a strategy: which event loop ran what, and what reached the server on which connection.

Nothing is timed, so several strategies may be traced at the same time.
"""

import os
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import rich.progress
from pydantic import TypeAdapter
from rich.console import Console
from rich.text import Text

from bench.measure.cell import TESTS_RAN, environment, kill_group, pytest_options
from bench.measure.child import run_pytest
from bench.measure.probing import PROCESSES, StoppedError
from bench.results.endpoints import Client
from bench.results.errors import UserError
from bench.results.printable import printable
from bench.results.traces import Event, Trace
from bench.server import Server
from bench.strategy.loaded import LoadedStrategy, arguments_for_pytest

TESTS = ("create_and_list", "conflict_then_carry_on", "read_own_commits")
"""Of the workload: one whose handler commits, one whose handler rolls back, and one that reads what it committed."""

PATIENCE = 30.0
"""Seconds after which the process is killed; it takes about one, and a peer may start a server of its own first."""

AT_A_TIME = 3
POLL = 0.02

CLIENT = Client()
"""What the traced tests are to the server: what is looked at is asyncpg's wire and pytest-asyncio's loops."""

_EVENT = TypeAdapter(Event)


def trace_all(
    strategies: Sequence[LoadedStrategy],
    server: Server,
    prefix: str,
    keep: Callable[[Trace], None],
    console: Console,
) -> None:
    """
    Trace the tests under each strategy, a few strategies at a time, and show how far it is.

    :param prefix: what the names of its databases begin with, `looptrap_*_`.
    :param keep: called with the trace of each strategy as soon as it is there; not where no test began.
    :raises UserError: a strategy breaks the contract; those that were ready are kept.
    :raises KeyboardInterrupt: the same.
    """
    stopped = threading.Event()
    columns = (rich.progress.TextColumn("tracing"), rich.progress.BarColumn(), rich.progress.MofNCompleteColumn())
    with (
        rich.progress.Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar,
        ThreadPoolExecutor(AT_A_TIME) as pool,
    ):
        task = bar.add_task("", total=len(strategies))
        try:
            jobs = [
                pool.submit(_trace, strategy, server, f"{prefix}{number}_", stopped)
                for number, strategy in enumerate(strategies)
            ]
            for job in as_completed(jobs):
                trace = job.result()
                bar.advance(task)
                if not trace.tests:
                    console.print(Text(f"{trace.strategy} was not traced: {printable(trace.ended)}"), soft_wrap=True)
                    continue
                keep(trace)
                if not console.is_terminal:
                    console.print(Text(f"traced {trace.strategy}"))
        except BaseException:
            stopped.set()
            pool.shutdown(cancel_futures=True)
            raise


def _trace(strategy: LoadedStrategy, server: Server, database: str, stopped: threading.Event) -> Trace:
    with tempfile.TemporaryDirectory(prefix="looptrap-trace-") as folder:
        file, output = Path(folder) / "events.jsonl", Path(folder) / "output.txt"
        try:
            url = server.create_database(database)
            exit_code = _run(_command(strategy, file), environment(strategy, server, url, CLIENT), output, stopped)
        finally:
            # With what a strategy may have made beside it.
            server.drop_databases(database)
        # A process that was killed may have left half a line.
        told = file.read_bytes().rpartition(b"\n")[0] if file.exists() else b""
        ended = _ended(exit_code, output)
    events = [_EVENT.validate_json(line) for line in told.splitlines()]
    for event in events:
        if event.kind == "contract broken":
            raise UserError(f"strategy {strategy.name}: {event.text}")
    tests = tuple(event.text for event in events if event.kind == "test")
    described = f"{server.facts.kind}, Postgres {server.facts.version}"
    return Trace(strategy.name, strategy.facts().source_sha256, described, tests, tuple(events), ended)


def _command(strategy: LoadedStrategy, file: Path) -> list[str]:
    return [
        *(*pytest_options(CLIENT), "-p", "bench.worker.tracer", f"--trace-loops={file}"),
        *arguments_for_pytest(strategy.module, strategy.plugins, strategy.declared),
        *(f"bench/workload/test_workload.py::test_{test}" for test in TESTS),
        *("-q", "--no-header", "--tb=no", "-ofilterwarnings=default"),
    ]


def _run(command: Sequence[str], environment: dict[str, str], output: Path, stopped: threading.Event) -> int | None:
    """Run pytest, and return its exit code; None where it was killed, since it hung."""
    process = PROCESSES.Process(target=run_pytest, args=(command, environment, output))
    process.start()
    deadline = time.monotonic() + PATIENCE
    try:
        while process.exitcode is None and time.monotonic() < deadline:
            if stopped.is_set():
                raise StoppedError
            process.join(POLL)
        exit_code = process.exitcode
    finally:
        if process.pid is not None and hasattr(os, "killpg"):
            kill_group(process.pid)
        process.kill()  # in the instant before it leads a group
        process.join()
    return exit_code


def _ended(exit_code: int | None, output: Path) -> str:
    """Say how a process ended that did not run all tests to their ends."""
    if exit_code in TESTS_RAN:
        return ""
    if exit_code is None:
        return f"killed after {PATIENCE:g} s"
    last = output.read_text(errors="replace").strip().splitlines()[-1:] if output.exists() else []
    return f"exit code {exit_code}: {''.join(last)}"
