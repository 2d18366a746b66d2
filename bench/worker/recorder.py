"""
The pytest plugin that measures a cell: time of each phase, and the witnesses beside the clock.

It records and judges nothing, and is idle unless `--record FILE` is given. Fixtures of a wider scope than function,
which pytest bills to the first test's setup and the last test's teardown, are measured on their own and taken out of
the tests' phases. What is added here is paid by every test of every strategy, so keep the hooks short.
"""

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

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
    group.addoption("--record", type=Path, metavar="FILE", help="measure, and write what was measured to FILE")
    group.addoption(
        "--spawned",
        type=float,
        metavar="SECONDS",
        help="the instant of time.perf_counter at which the process was started",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Start to measure, if asked."""
    if config.getoption("record"):
        config.pluginmanager.register(Recorder(config), "looptrap-recorder")


@dataclass(frozen=True)
class Reading:
    """What the meters show at one instant."""

    seconds: float
    cpu: float
    """Seconds of processor time of this process."""
    statements: int
    connections: int
    transactions: int

    def __sub__(self, earlier: "Reading") -> "Reading":
        """What was used in between."""
        return Reading(
            self.seconds - earlier.seconds,
            self.cpu - earlier.cpu,
            self.statements - earlier.statements,
            self.connections - earlier.connections,
            self.transactions - earlier.transactions,
        )

    def __add__(self, other: "Reading") -> "Reading":
        """Both together."""
        return Reading(
            self.seconds + other.seconds,
            self.cpu + other.cpu,
            self.statements + other.statements,
            self.connections + other.connections,
            self.transactions + other.transactions,
        )


NOTHING = Reading(0, 0, 0, 0, 0)


class Meters:
    """Clock and counters. SQLAlchemy's class-level events reach every engine and pool of the process."""

    def __init__(self) -> None:
        self._statements = 0
        self._connections = 0
        self._transactions = 0
        # Events of the dialect: one of an engine's own would make each statement of the process some 15 us dearer.
        for statement in ("do_execute", "do_executemany", "do_execute_no_params"):
            event.listen(Engine, statement, self._count_statement)
        event.listen(Pool, "connect", self._count_connection)
        self._count_transactions()

    def _count_statement(self, *_: object) -> None:
        self._statements += 1

    def _count_connection(self, *_: object) -> None:
        self._connections += 1

    def _count_transactions(self) -> None:
        """There is no such event of the dialect, so its method is wrapped; asyncpg's has no other."""
        do_begin = DefaultDialect.do_begin

        def count(dialect: DefaultDialect, connection: PoolProxiedConnection) -> None:
            self._transactions += 1
            do_begin(dialect, connection)  # type: ignore[no-untyped-call] # SQLAlchemy has no annotations there

        DefaultDialect.do_begin = count  # type: ignore[method-assign] # as said above

    def read(self) -> Reading:
        """Read all meters."""
        return Reading(
            time.perf_counter(), time.process_time(), self._statements, self._connections, self._transactions
        )


def peak_memory() -> int:
    """Bytes of resident memory that this process has had at most."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # On Linux getrusage would tell the most of the process that started this one, if that had more.
    status = Path("/proc/self/status").read_bytes()
    return int(status.partition(b"VmHWM:")[2].split(maxsplit=1)[0]) * 1024


class WriteAheadLog:
    """Reads the log's position on a connection and in an event loop of its own, which no test shares."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._loop = asyncio.new_event_loop()
        self._connection: asyncpg.Connection[Any] | None = None

    def position(self) -> int:
        """Bytes written to the log since the server was made."""
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
    """Collects the samples of one process."""

    def __init__(self, config: pytest.Config) -> None:
        self._file: Path = config.getoption("record")
        self._spawned: float = config.getoption("spawned")
        self._record = Record()
        self._meters = Meters()
        self._wide_depth = 0
        self._wide = NOTHING  # used by wider fixtures in the phase that runs
        self._wide_in_test = NOTHING
        self._teardown_mark: Reading | None = None
        self._test_started = NOTHING
        self._failures: dict[Failure, int] = {}
        self._wal = WriteAheadLog(os.environ[ADMIN_DSN]) if ADMIN_DSN in os.environ else None
        self._wal_start = 0
        self._tests = 0

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> Generator[None, object, object]:
        """Time the collection; what was before it is start-up."""
        started = time.perf_counter()
        self._record.startup = started - self._spawned
        result = yield
        self._record.collection = time.perf_counter() - started
        self._tests = len(session.items)
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        """Count what a test used, and read the log's position between the first test and the last."""
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
        """Measure the fixtures that pytest would bill to whichever test comes first."""
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
        """Start to watch the finalizers, where those of wider fixtures may be among them."""
        if nextitem is not None and nextitem.parent is item.parent:
            return (yield)
        self._teardown_mark = self._meters.read()
        try:
            return (yield)
        finally:
            self._teardown_mark = None

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        """Bill the time since the last finalizer to the fixture that is over now."""
        if self._teardown_mark is None:
            return
        now = self._meters.read()
        if fixturedef.scope != "function":
            self._wide += now - self._teardown_mark
        self._teardown_mark = now

    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        """Keep the phase's time, less what wider fixtures took, and its failure."""
        record = self._record
        seconds = call.duration - self._wide.seconds
        if call.when == "setup":
            record.setup[-1] = seconds
            record.session_setup += self._wide.seconds
        elif call.when == "call":
            record.call[-1] = seconds
            record.session_setup += self._wide.seconds
        else:
            record.teardown[-1] = seconds
            record.session_teardown += self._wide.seconds
            record.leaked[-1] = next(
                (int(str(value)) for key, value in item.user_properties if key == "dirty_tables"), -1
            )
        self._wide_in_test += self._wide
        self._wide = NOTHING
        if call.excinfo is not None and record.failure[-1] == -1:
            self._keep_failure(call.when, call.excinfo.value)

    def _keep_failure(self, phase: str, error: BaseException) -> None:
        record = self._record
        failure = describe_failure(phase, error)
        record.failure[-1] = self._failures.setdefault(failure, len(self._failures))
        leaked = isinstance(error, LeakedRowsError)
        record.outcomes[-1] = LEAKED if leaked else FAILED if phase == "call" else ERROR

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Keep why the process ends itself."""
        if excinfo.errisinstance(pytest.exit.Exception):
            self._record.refused = str(excinfo.value).removeprefix("looptrap: ")

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

    The first line of the message, without addresses, numbers of tasks and places in files.
    """
    message = str(error).partition("\n")[0]
    message = re.sub(r"<[\w.<>]+\(\) (running|done)[^<>]*>", "...", message.replace("<locals>", "locals"))
    message = re.sub(r"<(Task|Future)\b[^<>]*>", r"<\1>", message)
    message = re.sub(r"0x[0-9a-fA-F]+", "0x...", message)
    known: Literal["setup", "call", "teardown"] = (
        "setup" if phase == "setup" else "call" if phase == "call" else "teardown"
    )
    return Failure(phase=known, type=type(error).__name__, message=message[:LONGEST_MESSAGE])
