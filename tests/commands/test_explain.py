"""See the loops: what three tests do under a strategy, as it reached a real Postgres."""

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

from bench.analysis.loops import read
from bench.analysis.trace_view import Story
from bench.commands import explain
from bench.measure import tracing
from bench.report.trace_console import print_trace
from bench.results.endpoints import Source
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
"""Connect once before the tests, in a loop that is over when they begin."""
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
from bench.results.endpoints import Source

strategy = Strategy()

@pytest.fixture
def session_factory():
    time.sleep(600)
'''

PREFIX = "looptrap_explain_"


def trace_of(references: Sequence[str], server: Server) -> tuple[dict[str, Trace], str]:
    """Return the traces of strategies by their names, and what was printed meanwhile."""
    made: dict[str, Trace] = {}
    console = Console(file=StringIO(), width=200)
    keep = made.__setitem__
    tracing.trace_all(
        [load(one) for one in references], server, PREFIX, lambda trace: keep(trace.strategy, trace), console
    )
    assert isinstance(console.file, StringIO)
    return made, console.file.getvalue()


async def ask(server: Server, statement: str, *arguments: object) -> str:
    """Return the one value that a statement gives."""
    connection = await asyncpg.connect(server.admin_dsn)
    value = await connection.fetchval(statement, *arguments)
    await connection.close()
    return str(value)


@pytest.fixture(scope="session")
def server(embedded_server: Server) -> Server:
    """The embedded one, whose log is a file of this machine."""
    return embedded_server


@pytest.fixture(scope="module")
def log(server: Server) -> Iterator[Path]:
    """The server's own log, to which it writes every statement meanwhile."""
    server._execute("ALTER SYSTEM SET log_statement = 'all'")
    server._execute("SELECT pg_reload_conf()")
    while asyncio.run(ask(server, "SHOW log_statement")) != "all":
        time.sleep(0.01)
    yield Path(asyncio.run(ask(server, "SHOW data_directory"))) / "log"
    server._execute("ALTER SYSTEM RESET log_statement")
    server._execute("SELECT pg_reload_conf()")


@pytest.fixture(scope="module")
def traces(server: Server, log: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trace]:
    """What happened under a trap, two cures, one that uses asyncpg by itself, and two that only tests have."""
    assert log.exists()
    folder = tmp_path_factory.mktemp("strategies")
    own = [write(folder, "filled_before", FILLED_BEFORE), write(folder, "dies", DIES)]
    return trace_of([TRAP, ONE_LOOP, OWN_LOOPS, BY_ITSELF, *own], server)[0]


def statements(trace: Trace, test: int) -> list[str]:
    """Return what went to the server for a test, but what made an SQLAlchemy connection ready."""
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
    """Return the events of a kind in loops of pytest-asyncio."""
    return [event for event in trace.events if event.kind == kind and event.loop > 0]


def shown(trace: Trace) -> str:
    """Return what a terminal of 80 columns shows of a trace."""
    console = Console(file=StringIO(), width=80)
    print_trace(trace, console)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_trap_shows_where_the_pool_meets_the_second_loop(traces: dict[str, Trace]) -> None:
    """A connection is opened in loop 1 and taken in loops 2 and 3, with the errors that the trap declares."""
    trace = traces[TRAP]
    (opened,) = events_of(trace, "opened")
    assert (opened.test, opened.loop) == (1, 1)
    taken = {(event.test, event.loop, event.pid) for event in events_of(trace, "taken")}
    assert taken == {(1, 1, opened.pid), (2, 2, opened.pid), (3, 3, opened.pid)}
    errors = [event.text for event in trace.events if event.kind == "error"]
    assert [error.partition(":")[0] for error in errors] == ["RuntimeError", "InterfaceError"]
    story = read(trace)
    assert [(met.column, met.loop, met.opened_in, met.pid) for met in story.meetings] == [
        (2, 2, 1, opened.pid),
        (3, 3, 1, opened.pid),
    ]
    assert story.sentence == (
        f"Test 2 runs in loop 2, but takes connection {opened.pid} from the pool, which was opened in loop 1: "
        "only that loop watches its socket, and it is closed. RuntimeError: ... attached to a different loop"
    )


def test_one_loop_one_connection_and_no_commit(traces: dict[str, Trace]) -> None:
    """Each test is one transaction: BEGIN first, ROLLBACK last, and what the application commits is released."""
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
    story = read(trace)
    assert story.meetings == ()
    assert f"All 3 tests run in loop 1 on connection {opened.pid}: in each, BEGIN opens" in story.sentence


def test_a_loop_and_a_connection_for_each_test(traces: dict[str, Trace]) -> None:
    """Three loops open a connection each, close it, and are closed."""
    trace = traces[OWN_LOOPS]
    opened = events_of(trace, "opened")
    assert [(event.test, event.loop) for event in opened] == [(1, 1), (2, 2), (3, 3)]
    assert len({event.pid for event in opened}) == 3
    assert [(event.loop, event.pid) for event in events_of(trace, "closed")] == [(e.loop, e.pid) for e in opened]
    assert [event.loop for event in trace.events if event.kind == "loop closed"] == [1, 2, 3]
    assert read(trace).sentence.startswith("Each test has a loop and a connection of its own")


def test_loop_that_code_made_for_itself(traces: dict[str, Trace]) -> None:
    """It is told apart, left aside where it touches nothing of the tests, and shown where a connection comes of it."""
    assert read(traces[ONE_LOOP]).aside[0].startswith("migrated_database_url ran an event loop of its own, for ")
    story = read(traces["filled_before"])
    assert [loop.name for loop in story.loops] == ["loop a", "loop 1", "loop 2", "loop 3"]
    assert {(met.column, met.opened_in) for met in story.meetings} == {(1, -2), (2, -2), (3, -2)}
    assert "opened in loop a: only that loop watches its socket, and it is closed" in story.sentence


def test_process_that_dies(traces: dict[str, Trace]) -> None:
    """What happened until then is there, and how it ended."""
    trace = traces["dies"]
    assert trace.ended.startswith("exit code 7")
    assert len(trace.tests) == 2
    assert statements(trace, 1)[-1] == "ROLLBACK"
    assert "How the process ended: exit code 7" in shown(trace)


def test_process_that_hangs(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is killed, and the record says so, or that no test began."""
    monkeypatch.setattr(tracing, "PATIENCE", 4.0)
    made, printed = trace_of([write(tmp_path, "hangs", HANGS)], server)
    assert "killed after 4 s" in (made["hangs"].ended if made else printed)
    if made:
        assert read(made["hangs"]).sentence == "Nothing of these tests reaches a server by asyncpg."


def test_broken_contract_is_refused(server: Server, tmp_path: Path) -> None:
    """A session factory that is none ends it with the reason."""
    with pytest.raises(UserError, match=r"strategy gives_nothing: .*not an async_sessionmaker"):
        trace_of([write(tmp_path, "gives_nothing", GOOD)], server)


@pytest.mark.usefixtures("traces")
def test_no_database_is_left(server: Server) -> None:
    """Whatever came of the processes, their databases are gone."""
    count = "SELECT count(*) FROM pg_database WHERE starts_with(datname, $1)"
    assert asyncio.run(ask(server, count, PREFIX)) == "0"


@pytest.mark.parametrize("name", [TRAP, ONE_LOOP, OWN_LOOPS, BY_ITSELF])
def test_statements_are_those_of_the_servers_own_log(name: str, traces: dict[str, Trace], log: Path) -> None:
    """Connection by connection, what a trace has is what the server logged: nothing more, nothing less, in order."""
    told: dict[int, list[str]] = {event.pid: [] for event in traces[name].events if event.pid}
    for event in traces[name].events:
        if event.kind == "statement":
            told[event.pid].append(event.text)
    logged: dict[int, list[str]] = {pid: [] for pid in told}
    entry = re.compile(r"\[(\d+)\] LOG:  (?:statement|execute [^:]*): (.*(?:\n\t.*)*)")
    for pid, statement in entry.findall(log.read_text(errors="replace")):
        if int(pid) in logged:
            logged[int(pid)].append(shortened(statement))
    assert sum(map(len, told.values())) > 30
    assert told == logged


def test_terminal_tells_the_story(traces: dict[str, Trace]) -> None:
    """It has loops, connections and statements, and of a trap error and origin of the connection; in 80 columns."""
    said = shown(traces[TRAP])
    assert max(map(len, said.splitlines())) <= 80
    (opened,) = events_of(traces[TRAP], "opened")
    for words in (
        "loop 2, this test's own",
        f"{opened.pid} \u2502 opens {opened.pid}",
        f"takes {opened.pid}, which was opened in loop 1",
        "\u2717 RuntimeError: ... attached to a different loop",
        "only that loop watches its",
    ):
        assert words in said
    said = shown(traces[ONE_LOOP])
    assert "loop 1, the session's" in said
    assert "\u2502   SAVEPOINT sa_savepoint_1" in said
    assert "INSERT customers  \u2717 refused" in said


def test_reads_back_as_it_was_kept(traces: dict[str, Trace], tmp_path: Path) -> None:
    """Traces come back equal, a later one in place of an earlier one; without a file there are none."""
    assert TRACES.read(tmp_path) == {}
    for trace in (replace(traces[TRAP], tests=()), traces[ONE_LOOP], traces[TRAP]):
        TRACES.keep(tmp_path, trace)
    assert TRACES.read(tmp_path) == {name: traces[name] for name in (TRAP, ONE_LOOP)}
    (tmp_path / TRACES_FILE).write_text("{}\n")
    with pytest.raises(UserError, match=r"traces.jsonl is damaged: .* Remove it"):
        TRACES.read(tmp_path)


def test_command_shows_and_draws(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`explain NAME` prints the story, keeps the trace, and says where the picture is."""
    monkeypatch.setattr(explain, "FOLDER", tmp_path / "explain")
    said = explained(OWN_LOOPS, server.admin_dsn)
    assert "Each test has a loop and a connection of its own" in said
    assert f"Picture: {tmp_path / 'explain' / 'loops-null_pool.png'}" in said
    found = {path.name for path in (tmp_path / "explain").iterdir()}
    assert found == {"loops-null_pool.png", "loops-null_pool.svg", TRACES_FILE}
    assert TRACES.read(tmp_path / "explain")[OWN_LOOPS].tests == tracing.TESTS


def explained(name: str, choice: str) -> str:
    """Run the command and return what it prints."""
    console = Console(file=StringIO(), width=200)
    explain.explain_strategy(name, Source(choice), console)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("name", "choice", "words"),
    [
        ("py_pglite", "embedded", "py_pglite cannot run here: "),
        (OWN_LOOPS, "docker", "'docker' is none of auto, container, embedded"),
    ],
)
def test_what_cannot_be_run(
    name: str, choice: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A peer that cannot run here, and a server that there is not, are refused."""
    monkeypatch.setattr(explain, "FOLDER", tmp_path)
    with pytest.raises(UserError, match=words):
        explained(name, choice)


def test_name_that_is_not_known(looptrap: Command) -> None:
    """One line that says what to do, and exit code 2."""
    assert_one_line(looptrap("explain", "savepoint_rolback"), "'savepoint_rolback'", "did you mean savepoint_rollback")


def test_story_of_nothing() -> None:
    """A trace without events is a story without lines."""
    story = read(Trace("none", "", "", (), ()))
    assert isinstance(story, Story)
    assert story.lines == ()
