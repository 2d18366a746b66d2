"""
The pytest plugin that measures a cell: the time of each phase of each test, WAL bytes, statements, CPU and memory.

It only records, and is idle unless `--record FILE` is given. Fixtures of a wider scope than function, which pytest
bills to the first test's setup and the last test's teardown, are measured separately and subtracted from the tests'
phases. Every test of every strategy pays for these hooks, so keep them short.
"""

import asyncio
import json
import operator
import os
import re
import sys
import time
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, NamedTuple

import asyncpg
import pytest
from sqlalchemy import Engine, Pool, PoolProxiedConnection, event
from sqlalchemy.engine.default import DefaultDialect

from bench.results.records import ERROR, FAILED, LEAKED, PASSED, Failure
from bench.worker.protocol import ADMIN_DSN, Record
from bench.workload.slate import LeakedRowsError

if sys.platform == "win32":
    import psutil
elif sys.platform == "darwin":
    import resource

FEWEST_TESTS_FOR_WAL = 3
LONGEST_MESSAGE = 300


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--record` and `--spawned`."""
    group = parser.getgroup("looptrap")
    group.addoption("--record", type=Path, metavar="FILE", help="measure, and write the record to FILE")
    group.addoption(
        "--spawned",
        type=float,
        metavar="SECONDS",
        help="value of time.perf_counter when the process was started",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Start the recorder if it was requested."""
    if config.getoption("record"):
        config.pluginmanager.register(Recorder(config), "looptrap-recorder")


class Reading(NamedTuple):
    """The values of all meters at one instant, or what was used between two instants."""

    seconds: float
    cpu: float
    """Processor time of this process in seconds."""
    statements: int
    connections: int
    transactions: int

    def __sub__(self, earlier: "Reading") -> "Reading":
        """Return what was used in between."""
        return Reading(*map(operator.sub, self, earlier))

    def __add__(self, other: "Reading") -> "Reading":  # type: ignore[override] # a tuple would be concatenated
        """Return the sum."""
        return Reading(*map(operator.add, self, other))


NOTHING = Reading(0, 0, 0, 0, 0)


class Meters:
    """Clocks and counters. SQLAlchemy's class-level events cover every engine and pool of the process."""

    def __init__(self) -> None:
        self._statements = 0
        self._connections = 0
        self._transactions = 0
        # Dialect events: an engine's own event would cost each statement of the process about 15 us.
        for statement in ("do_execute", "do_executemany", "do_execute_no_params"):
            event.listen(Engine, statement, self._count_statement)
        event.listen(Pool, "connect", self._count_connection)
        self._count_transactions()

    def _count_statement(self, *_: object) -> None:
        self._statements += 1

    def _count_connection(self, *_: object) -> None:
        self._connections += 1

    def _count_transactions(self) -> None:
        # There is no such dialect event, so this wraps the method that the dialects of asyncpg and psycopg inherit.
        do_begin = DefaultDialect.do_begin

        def count(dialect: DefaultDialect, connection: PoolProxiedConnection) -> None:
            self._transactions += 1
            do_begin(dialect, connection)  # type: ignore[no-untyped-call] # no annotations in SQLAlchemy

        DefaultDialect.do_begin = count  # type: ignore[method-assign] # the reason is above

    def read(self) -> Reading:
        """Read all meters."""
        return Reading(
            time.perf_counter(), time.process_time(), self._statements, self._connections, self._transactions
        )


def peak_memory() -> int:
    """Peak resident memory of this process in bytes."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # On Linux getrusage would return the peak of the parent process, if that was higher.
    status = Path("/proc/self/status").read_bytes()
    return int(status.partition(b"VmHWM:")[2].split(maxsplit=1)[0]) * 1024


class WriteAheadLog:
    """Reads the WAL position on a connection and in an event loop that no test uses."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._loop = asyncio.new_event_loop()
        self._connection: asyncpg.Connection[Any] | None = None

    def position(self) -> int:
        """Bytes written to the WAL since the server was initialised."""
        return self._loop.run_until_complete(self._position())

    async def _position(self) -> int:
        if self._connection is None:
            self._connection = await asyncpg.connect(self._dsn)
        position: int = await self._connection.fetchval("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint")
        return position

    def close(self) -> None:
        """Close connection and loop."""
        if self._connection is not None:
            self._loop.run_until_complete(self._connection.close())
        self._loop.close()


class Recorder:
    """Collects the samples of one process, and writes them when it ends."""

    def __init__(self, config: pytest.Config) -> None:
        self._file: Path = config.getoption("record")
        self._spawned: float = config.getoption("spawned")
        self._record = Record()
        self._meters = Meters()
        self._wide_depth = 0
        self._wide = NOTHING  # used by wider fixtures in the running phase
        self._wide_in_test = NOTHING
        self._teardown_mark: Reading | None = None
        self._test_started = NOTHING
        self._failures: dict[Failure, int] = {}
        self._wal = WriteAheadLog(os.environ[ADMIN_DSN]) if ADMIN_DSN in os.environ else None
        self._wal_start = 0
        self._tests = 0

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> Generator[None, object, object]:
        """Time the collection; everything before it is start-up."""
        started = time.perf_counter()
        self._record.startup = started - self._spawned
        result = yield
        self._record.collection = time.perf_counter() - started
        self._tests = len(session.items)
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        """Count what a test used, and read the WAL position after the first test and before the last."""
        done = len(self._record.outcomes)
        if self._wal and self._tests >= FEWEST_TESTS_FOR_WAL:
            if done == 1:
                self._wal_start = self._wal.position()
            elif done == self._tests - 1:
                written = self._wal.position() - self._wal_start
                self._record.wal_bytes_per_test = written / (self._tests - 2)
        record = self._record
        record.leaked.append(-1)
        record.failure.append(-1)
        record.outcomes.append(PASSED)
        for phase in (record.setup, record.call, record.teardown):
            phase.append(0)
        self._wide_in_test = NOTHING
        self._test_started = self._meters.read()
        result = yield
        used = self._meters.read() - self._test_started - self._wide_in_test
        record.statements.append(used.statements)
        record.connections.append(used.connections)
        record.transactions.append(used.transactions)
        record.cpu.append(used.cpu)
        record.peak_memory.append(peak_memory())
        record.ended = time.perf_counter()
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
        """Measure wider fixtures, which pytest bills to the first test that requests them."""
        if fixturedef.scope == "function" or self._wide_depth:
            return (yield)
        before = self._meters.read()
        self._wide_depth += 1
        try:
            return (yield)
        finally:
            self._wide_depth -= 1
            self._wide += self._meters.read() - before

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        """Start to time the finalizers if wider fixtures may be among them."""
        if nextitem is not None and nextitem.parent is item.parent:
            return (yield)
        self._teardown_mark = self._meters.read()
        try:
            return (yield)
        finally:
            self._teardown_mark = None

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        """Bill the time since the previous finalizer to the fixture that was just torn down."""
        if self._teardown_mark is None:
            return
        now = self._meters.read()
        if fixturedef.scope != "function":
            self._wide += now - self._teardown_mark
        self._teardown_mark = now

    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        """Record the phase's time without that of wider fixtures, and its failure."""
        record = self._record
        getattr(record, call.when)[-1] = call.duration - self._wide.seconds
        if call.when == "teardown":
            record.session_teardown += self._wide.seconds
            record.leaked[-1] = next(
                (int(str(value)) for key, value in item.user_properties if key == "dirty_tables"), -1
            )
        else:
            record.session_setup += self._wide.seconds
        self._wide_in_test += self._wide
        self._wide = NOTHING
        if call.excinfo is not None and record.failure[-1] == -1:
            self._record_failure(call.when, call.excinfo.value)

    def _record_failure(self, phase: str, error: BaseException) -> None:
        record = self._record
        failure = describe_failure(phase, error)
        record.failure[-1] = self._failures.setdefault(failure, len(self._failures))
        leaked = isinstance(error, LeakedRowsError)
        record.outcomes[-1] = LEAKED if leaked else FAILED if phase == "call" else ERROR

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Record why the process ends early."""
        if excinfo.errisinstance(pytest.exit.Exception):
            self._record.refused = str(excinfo.value)

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """Write the record."""
        if self._wal:
            self._wal.close()
        self._record.failures = list(self._failures)
        self._file.write_text(json.dumps(asdict(self._record)))


def describe_failure(phase: str, error: BaseException) -> Failure:
    """
    Reduce an exception to what is the same in every test that fails in the same way.

    That is the first line of its message without addresses, task names and code locations.
    """
    message = str(error).partition("\n")[0]
    message = re.sub(r"<[\w.<>]+\(\) (running|done)[^<>]*>", "...", message.replace("<locals>", "locals"))
    message = re.sub(r"<(Task|Future)\b[^<>]*>", r"<\1>", message)
    message = re.sub(r"0x[0-9a-fA-F]+", "0x...", message)
    known: Literal["setup", "call", "teardown"] = (
        "setup" if phase == "setup" else "call" if phase == "call" else "teardown"
    )
    return Failure(phase=known, type=type(error).__name__, message=message[:LONGEST_MESSAGE])
