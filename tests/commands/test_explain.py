"""`explain`: the trace of three tests under a strategy, checked against a real Postgres."""

import asyncio
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path

import asyncpg
import pytest
from rich.console import Console

from bench.analysis.loops import view_trace
from bench.analysis.trace_view import Actor
from bench.commands import explain
from bench.measure import tracing
from bench.report.trace_console import print_trace
from bench.report.trace_text import headline, loop_name
from bench.results.endpoints import ServerSource
from bench.results.errors import UserError
from bench.results.traces import TRACES, TRACES_FILE, Event, Trace
from bench.server import Server
from bench.strategy.discovery import load
from bench.worker.tracer import shortened
from tests.conftest import Command, assert_one_line
from tests.strategy.test_discovery import GOOD, write

TRAP, ONE_LOOP, OWN_LOOPS = "module_engine_function_loops", "savepoint_rollback", "null_pool"
BY_ITSELF = "baseline_restore"

FILLED_BEFORE = '''
"""Connect once before the tests, in a loop that is closed when they begin."""
import asyncio, os, pytest
from bench import ExpectedError, Trap
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

strategy = Trap(errors=[ExpectedError("RuntimeError", "attached to a different loop")])
engine = create_async_engine(os.environ.get("LOOPTRAP_DATABASE_URL", "postgresql+asyncpg://"))

async def connect():
    async with engine.connect():
        pass

@pytest.fixture(scope="session")
def session_factory(migrated_database_url):
    asyncio.run(connect())
    return async_sessionmaker(engine, expire_on_commit=False)
'''

DIES = '''
"""End the process in the second test."""
import os, pytest
from bench import Strategy
from strategies.null_pool import db_engine, session_factory
from strategies import null_pool

strategy = Strategy()
tests = []

@pytest.fixture(autouse=True)
def count(request):
    tests.append(request.node.name)
    if len(tests) == 2:
        os._exit(7)
'''

HANGS = '''
"""Hang in the first test."""
import time, pytest
from bench import Strategy
from bench.results.endpoints import ServerSource

strategy = Strategy()

@pytest.fixture
def session_factory():
    time.sleep(600)
'''

PREFIX = "looptrap_explain_"


def trace_of(references: Sequence[str], server: Server) -> tuple[dict[str, Trace], str]:
    """Return the traces of strategies by name, and the console output."""
    made: dict[str, Trace] = {}
    console = Console(file=StringIO(), width=200)
    keep = made.__setitem__
    tracing.trace_all(
        [load(one) for one in references], server, PREFIX, lambda trace: keep(trace.strategy, trace), console
    )
    assert isinstance(console.file, StringIO)
    return made, console.file.getvalue()


async def ask(server: Server, statement: str, *arguments: object) -> str:
    """Return the single value of a statement."""
    connection = await asyncpg.connect(server.admin_dsn)
    value = await connection.fetchval(statement, *arguments)
    await connection.close()
    return str(value)


@pytest.fixture(scope="session")
def server(embedded_server: Server) -> Server:
    """The embedded server, whose log is a local file."""
    return embedded_server


@pytest.fixture(scope="module")
def log(server: Server) -> Iterator[Path]:
    """The folder of the server's log, which contains every statement while these tests run."""
    server._execute("ALTER SYSTEM SET log_statement = 'all'")
    server._execute("SELECT pg_reload_conf()")
    while asyncio.run(ask(server, "SHOW log_statement")) != "all":
        time.sleep(0.01)
    yield Path(asyncio.run(ask(server, "SHOW data_directory"))) / "log"
    server._execute("ALTER SYSTEM RESET log_statement")
    server._execute("SELECT pg_reload_conf()")


@pytest.fixture(scope="module")
def traces(server: Server, log: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trace]:
    """Traces of a trap, two strategies that avoid it, one that also uses asyncpg directly, and two test strategies."""
    assert log.exists()
    folder = tmp_path_factory.mktemp("strategies")
    own = [write(folder, "filled_before", FILLED_BEFORE), write(folder, "dies", DIES)]
    return trace_of([TRAP, ONE_LOOP, OWN_LOOPS, BY_ITSELF, *own], server)[0]


def statements(trace: Trace, test: int) -> list[str]:
    """Return the statements of a test, without those of SQLAlchemy's handshake on a new connection."""
    taken = {event.pid for event in trace.events if event.kind == "taken"}
    found = []
    ready: set[int] = set()
    for event in trace.events:
        if event.kind == "taken":
            ready.add(event.pid)
        if event.kind == "statement" and event.test == test and event.pid in ready & taken and event.loop > 0:
            found.append(event.text)
    return found


def events_of(trace: Trace, kind: str) -> list[Event]:
    """Return the events of a kind in pytest-asyncio's loops."""
    return [event for event in trace.events if event.kind == kind and event.loop > 0]


def shown(trace: Trace) -> str:
    """Return a trace as printed in a terminal of 80 columns."""
    console = Console(file=StringIO(), width=80)
    print_trace(trace, console)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_trap_shows_where_a_pooled_connection_meets_a_second_loop(traces: dict[str, Trace]) -> None:
    """A connection is opened in loop 1 and taken in loops 2 and 3, with the errors that the trap declares."""
    trace = traces[TRAP]
    (opened,) = events_of(trace, "opened")
    assert (opened.test, opened.loop) == (1, 1)
    taken = {(event.test, event.loop, event.pid) for event in events_of(trace, "taken")}
    assert taken == {(1, 1, opened.pid), (2, 2, opened.pid), (3, 3, opened.pid)}
    errors = [event.text for event in trace.events if event.kind == "error"]
    assert [error.partition(":")[0] for error in errors] == ["RuntimeError", "InterfaceError"]
    view = view_trace(trace)
    assert [(met.column, met.loop, met.pid) for met in view.meetings] == [(2, 2, opened.pid), (3, 3, opened.pid)]
    assert view.opened_in == {opened.pid: 1}
    assert headline(view) == (
        f"Test 2 runs in loop 2 but takes connection {opened.pid} from the pool. That connection was opened in loop 1, "
        "which is closed; only loop 1 can read its socket. RuntimeError: ... attached to a different loop"
    )


def test_one_loop_one_connection_and_no_commit(traces: dict[str, Trace]) -> None:
    """Each test is one transaction: BEGIN first, ROLLBACK last; the application's commits release savepoints."""
    trace = traces[ONE_LOOP]
    (opened,) = events_of(trace, "opened")
    assert {(event.loop, event.pid) for event in events_of(trace, "taken")} == {(1, opened.pid)}
    assert [(event.loop, event.scope) for event in trace.events if event.kind == "loop made"] == [(1, "session")]
    for test in (1, 2, 3):
        sent = statements(trace, test)
        assert (sent[0], sent[-1]) == ("BEGIN", "ROLLBACK")
        assert sum(text.startswith("RELEASE SAVEPOINT") for text in sent) == (2 if test == 2 else 1)
        assert not any(text.startswith("COMMIT") for text in sent)
    refused = [event for event in trace.events if event.kind == "refused"]
    assert [(event.test, "uq_customers_email" in event.text) for event in refused] == [(2, True)]
    view = view_trace(trace)
    assert view.meetings == []
    assert f"All 3 tests run in loop 1 on connection {opened.pid}. Each test is one outer" in headline(view)


def test_a_loop_and_a_connection_for_each_test(traces: dict[str, Trace]) -> None:
    """Each of three loops opens a connection, closes it, and is closed."""
    trace = traces[OWN_LOOPS]
    opened = events_of(trace, "opened")
    assert [(event.test, event.loop) for event in opened] == [(1, 1), (2, 2), (3, 3)]
    assert len({event.pid for event in opened}) == 3
    assert [(event.loop, event.pid) for event in events_of(trace, "closed")] == [(e.loop, e.pid) for e in opened]
    assert [event.loop for event in trace.events if event.kind == "loop closed"] == [1, 2, 3]
    assert headline(view_trace(trace)).startswith("Each test has its own loop and its own connection.")


def test_loop_that_code_started(traces: dict[str, Trace]) -> None:
    """It is only summarised if no test uses its connections; otherwise it is shown with a letter."""
    (migrations,) = view_trace(traces[ONE_LOOP]).background
    assert (migrations.actor, len(migrations.pids)) == (Actor("migrated_database_url"), 1)
    assert migrations.statements > 0
    view = view_trace(traces["filled_before"])
    assert [loop_name(loop) for loop in view.loops.values()] == ["loop a", "loop 1", "loop 2", "loop 3"]
    assert {(met.column, view.opened_in[met.pid]) for met in view.meetings} == {(1, -2), (2, -2), (3, -2)}
    assert "opened in loop a, which is closed; only loop a can read its socket." in headline(view)


def test_process_that_dies(traces: dict[str, Trace]) -> None:
    """The trace has everything up to there, and how the process ended."""
    trace = traces["dies"]
    assert trace.ended.startswith("exit code 7")
    assert len(trace.tests) == 2
    assert statements(trace, 1)[-1] == "ROLLBACK"
    assert "How the process ended: exit code 7" in shown(trace)


def test_process_that_hangs(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is killed, and the trace says so, or the console if no test began."""
    monkeypatch.setattr(tracing, "PATIENCE", 4.0)
    made, printed = trace_of([write(tmp_path, "hangs", HANGS)], server)
    assert "killed after 4 s" in (made["hangs"].ended if made else printed)
    if made:
        assert headline(view_trace(made["hangs"])) == "These tests send nothing to a server through asyncpg."


def test_broken_contract_is_refused(server: Server, tmp_path: Path) -> None:
    """A session factory of another type ends the process, and the error gives the reason."""
    with pytest.raises(UserError, match=r"strategy gives_nothing: .*not an async_sessionmaker"):
        trace_of([write(tmp_path, "gives_nothing", GOOD)], server)


@pytest.mark.usefixtures("traces")
def test_no_database_is_left(server: Server) -> None:
    """However the processes ended, their databases are dropped."""
    count = "SELECT count(*) FROM pg_database WHERE starts_with(datname, $1)"
    assert asyncio.run(ask(server, count, PREFIX)) == "0"


@pytest.mark.parametrize("name", [TRAP, ONE_LOOP, OWN_LOOPS, BY_ITSELF])
def test_statements_equal_the_servers_log(name: str, traces: dict[str, Trace], log: Path) -> None:
    """For each connection, a trace has exactly the statements that the server logged, in order."""
    traced: dict[int, list[str]] = {event.pid: [] for event in traces[name].events if event.pid}
    for event in traces[name].events:
        if event.kind == "statement":
            traced[event.pid].append(event.text)
    logged: dict[int, list[str]] = {pid: [] for pid in traced}
    entry = re.compile(r"\[(\d+)\] LOG:  (?:statement|execute [^:]*): (.*(?:\n\t.*)*)")
    for pid, statement in entry.findall(log.read_text(errors="replace")):
        if int(pid) in logged:
            logged[int(pid)].append(shortened(statement))
    assert sum(map(len, traced.values())) > 30
    assert traced == logged


def test_terminal_shows_the_trace(traces: dict[str, Trace]) -> None:
    """It shows loops, connections and statements, and in a trap the error and where the connection was opened."""
    said = shown(traces[TRAP])
    assert max(map(len, said.splitlines())) <= 80
    (opened,) = events_of(traces[TRAP], "opened")
    for words in (
        "loop 2, function scope",
        f"{opened.pid} \u2502 opens {opened.pid}",
        f"takes {opened.pid}, opened in loop 1",
        "\u2717 RuntimeError: ... attached to a different loop",
        "only loop 1 can read its socket",
    ):
        assert words in said
    said = shown(traces[ONE_LOOP])
    assert "loop 1, session scope" in said
    assert "\u2502   SAVEPOINT sa_savepoint_1" in said
    assert "INSERT customers \u2717 refused" in said


def test_reads_back_as_stored(traces: dict[str, Trace], tmp_path: Path) -> None:
    """Traces are read back equal, a later one replaces an earlier one, and without a file there are none."""
    assert TRACES.read(tmp_path) == {}
    for trace in (replace(traces[TRAP], tests=()), traces[ONE_LOOP], traces[TRAP]):
        TRACES.store(tmp_path, trace)
    assert TRACES.read(tmp_path) == {name: traces[name] for name in (TRAP, ONE_LOOP)}
    (tmp_path / TRACES_FILE).write_text("{}\n")
    with pytest.raises(UserError, match=r"traces.jsonl is damaged: .* Remove it"):
        TRACES.read(tmp_path)


def test_command_shows_and_draws(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`explain NAME` prints the trace, stores it, and says where the picture is."""
    monkeypatch.setattr(explain, "FOLDER", tmp_path / "explain")
    said = explained(OWN_LOOPS, server.admin_dsn)
    assert "Each test has its own loop and its own connection." in said
    assert f"Picture: {tmp_path / 'explain' / 'loops-null_pool.png'}" in said
    found = {path.name for path in (tmp_path / "explain").iterdir()}
    assert found == {"loops-null_pool.png", "loops-null_pool.svg", TRACES_FILE}
    assert TRACES.read(tmp_path / "explain")[OWN_LOOPS].tests == tracing.TESTS


def explained(name: str, choice: str) -> str:
    """Run the command and return what it prints."""
    console = Console(file=StringIO(), width=200)
    explain.explain_strategy(name, ServerSource(choice), console)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("name", "choice", "words"),
    [
        ("py_pglite", "embedded", "py_pglite cannot run here: "),
        (OWN_LOOPS, "docker", "'docker' is not auto, container, embedded"),
    ],
)
def test_strategy_or_server_is_not_available(
    name: str, choice: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A peer that is not installed and an unknown server are refused."""
    monkeypatch.setattr(explain, "FOLDER", tmp_path)
    with pytest.raises(UserError, match=words):
        explained(name, choice)


def test_unknown_name(looptrap: Command) -> None:
    """One line that says what to do; exit code 2."""
    assert_one_line(looptrap("explain", "savepoint_rolback"), "'savepoint_rolback'", "did you mean savepoint_rollback")


def test_view_of_nothing() -> None:
    """A trace without events gives a view without lines."""
    assert view_trace(Trace("none", "", "", (), ())).lines == ()
