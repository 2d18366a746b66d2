"""
Traces three tests under a strategy: which event loop ran what, and what reached the server on which connection.

Nothing is timed, so several strategies are traced at the same time.
"""

import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import TypeAdapter
from rich.console import Console
from rich.text import Text

from bench.measure.child import TESTS_RAN, Start, TimeLimit, run_child
from bench.measure.each_strategy import each_strategy
from bench.measure.progress import ProgressDisplay
from bench.measure.pytest_call import pytest_call
from bench.measure.templates import Templates
from bench.results.endpoints import Client
from bench.results.errors import UserError
from bench.results.printable import printable
from bench.results.traces import Event, Trace
from bench.server import Server
from bench.strategy.loaded import LoadedStrategy

TESTS = ("create_and_list", "conflict_then_carry_on", "read_own_commits")
"""Of the workload: a test whose handler commits, one whose handler rolls back, one that reads what it committed."""

PATIENCE = 30.0
"""Seconds after which the process is killed. It takes about one, but a peer may start a server of its own first."""

AT_A_TIME = 3
POLL = 0.02

CLIENT = Client()
"""The client of traced tests: the tracer understands only asyncpg's connections and pytest-asyncio's loops."""

_EVENT = TypeAdapter(Event)


def trace_all(
    strategies: Sequence[LoadedStrategy],
    server: Server,
    prefix: str,
    store: Callable[[Trace], None],
    console: Console,
) -> None:
    """
    Trace the tests under each strategy, a few strategies at a time, and show the progress.

    :param prefix: of the names of its databases, `looptrap_*_`.
    :param store: called with each trace as soon as it is complete; not if no test started.
    :raises UserError: a strategy breaks the contract; the traces that were complete are stored.
    :raises KeyboardInterrupt: the same.
    """

    def trace(number: int, strategy: LoadedStrategy, stopped: threading.Event) -> Trace:
        return _trace(start, strategy, server, f"{prefix}{number}_", stopped)

    def done(found: Trace) -> None:
        display.advance()
        if found.tests:
            store(found)
            display.line(f"traced {found.strategy}")
        else:
            console.print(Text(f"{found.strategy} was not traced: {printable(found.ended)}"), soft_wrap=True)

    with Templates() as templates, ProgressDisplay(console, "tracing", len(strategies)) as display:
        start = templates.start_of(CLIENT)
        each_strategy(strategies, trace, AT_A_TIME, done)


def _trace(start: Start, strategy: LoadedStrategy, server: Server, database: str, stopped: threading.Event) -> Trace:
    with tempfile.TemporaryDirectory(prefix="looptrap-trace-") as folder, server.temporary_database(database) as url:
        file = Path(folder) / "events.jsonl"
        call = pytest_call(
            *(strategy, server, url, CLIENT, Path(folder) / "output.txt"),
            plugins=("-p", "bench.worker.tracer", f"--trace-loops={file}"),
            arguments=[f"bench/workload/test_workload.py::test_{test}" for test in TESTS],
            thorough=True,
        )
        ended = run_child(start, call, TimeLimit(PATIENCE, pause=POLL), stopped=stopped)
        # A process that was killed may have left half a line.
        told = file.read_bytes().rpartition(b"\n")[0] if file.exists() else b""
    events = [_EVENT.validate_json(line) for line in told.splitlines()]
    for event in events:
        if event.kind == "contract broken":
            raise UserError(f"strategy {strategy.name}: {event.text}")
    return Trace(
        strategy=strategy.name,
        source_sha256=strategy.facts().source_sha256,
        server=f"{server.facts.kind}, Postgres {server.facts.version}",
        tests=tuple(event.text for event in events if event.kind == "test"),
        events=tuple(events),
        ended="" if ended.exit_code in TESTS_RAN else ended.reason,
    )
