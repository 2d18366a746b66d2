"""
The pytest plugin that traces a process: which event loop runs what, and what reaches the server on which connection.

It is idle unless `--trace-loops FILE` is given. What it tells of connections it reads off asyncpg's wire, the bytes
that the server gets, whether SQLAlchemy or a test's own code sent them. asyncpg's query loggers would not do: they are
called through the connection's loop, which in a trap is closed by then, so that looking would change the error. What a
pool does comes from SQLAlchemy's events. Nothing is sent that would not be sent anyway, and no loop is kept alive.

It does not see connections of other drivers, such as psycopg's, pools other than SQLAlchemy's, statements inside the
server, such as those of a function, or what COPY carries.
"""

import asyncio
import json
import re
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal
from weakref import WeakKeyDictionary

import asyncpg
import asyncpg.protocol
import pytest
from sqlalchemy import Pool, event

from bench.results.traces import NO_LOOP, Event
from bench.worker.recorder import describe_failure

CONTROL = ("BEGIN", "START", "SAVEPOINT", "RELEASE", "ROLLBACK", "COMMIT", "END", "ABORT")
"""The first words of statements that control transactions: they are kept whole."""
LONGEST_STATEMENT = 40

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_DATABASE = re.compile(r"\w+ DATABASE", re.IGNORECASE)
"""Databases are named anew for each process."""
_OBJECTS = "TABLE|SCHEMA|SEQUENCE|INDEX|FUNCTION|TRIGGER|TYPE|DOMAIN|EXTENSION"
_NAMED = re.compile(
    rf"(?P<what>CREATE|DROP|ALTER|TRUNCATE)(?: UNIQUE| OR REPLACE)?(?P<object> (?:{_OBJECTS}))?"
    r"(?: IF (?:NOT )?EXISTS)? (?P<name>[\w\".]+)",
    re.IGNORECASE,
)
_FROM = re.compile(r"\b(?:FROM|INTO|UPDATE)(?: ONLY)? (?P<name>[\w\".]+)", re.IGNORECASE)
_CHANGE = re.compile(r"\b(DELETE|INSERT|UPDATE)(?: FROM| INTO)?(?: ONLY)? (?P<name>[\w\".]+)", re.IGNORECASE)
_RUNNER = re.compile(r"_(\w+)_scoped_runner")
_NOT_TOLD = ("_pytest", "pytest_asyncio")
"""Packages whose fixtures are pytest's own."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--trace-loops`."""
    parser.getgroup("looptrap").addoption("--trace-loops", type=Path, metavar="FILE", help="write what happens to FILE")


def pytest_configure(config: pytest.Config) -> None:
    """Start to trace, if asked."""
    file = config.getoption("trace_loops")
    if file:
        config.pluginmanager.register(Tracer(file), "looptrap-tracer")


class Messages:
    """Cuts one direction of Postgres's protocol into its messages, however the bytes arrive."""

    def __init__(self) -> None:
        self._rest = b""

    def of(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield letter and body of each message that is whole now."""
        self._rest += data
        while len(self._rest) > 4:  # noqa: PLR2004 - a letter, and a length that counts itself
            end = 1 + int.from_bytes(self._rest[1:5], "big")
            if len(self._rest) < end:
                return
            letter, body, self._rest = self._rest[:1], self._rest[5:end], self._rest[end:]
            yield letter, body


class Transport:
    """A connection's transport, which also shows what is written to it."""

    def __init__(self, transport: asyncio.Transport, sent: Callable[[bytes], None]) -> None:
        self._transport = transport
        self._sent = sent

    def write(self, data: memoryview) -> None:
        """Write, and show it."""
        self._sent(bytes(data))
        self._transport.write(data)

    def writelines(self, data: list[bytes]) -> None:
        """Write several pieces, and show them."""
        self._sent(b"".join(data))
        self._transport.writelines(data)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a transport has
        return getattr(self._transport, name)


class Overheard:
    """
    One connection's conversation with the server, told as events.

    :param tell: called with the kind of an event and its details.
    """

    def __init__(self, tell: Callable[..., None]) -> None:
        self._tell = tell
        self._pid = 0
        self._open = False
        self._statements: dict[bytes, str] = {}
        self._to_server, self._from_server = Messages(), Messages()

    def sent(self, data: bytes) -> None:
        """Hear what goes to the server; what a client says to be let in has another form."""
        for letter, body in self._to_server.of(data) if self._open else ():
            if letter == b"Q":
                self._tell("statement", pid=self._pid, text=shortened(body[:-1].decode(errors="replace")))
            elif letter == b"P":
                name, statement, _ = body.split(b"\0", 2)
                self._statements[name] = shortened(statement.decode(errors="replace"))
            elif letter == b"B":
                _, name, _ = body.split(b"\0", 2)
                self._tell("statement", pid=self._pid, text=self._statements[name])
            elif letter == b"X":
                self.ended()

    def received(self, data: bytes) -> None:
        """Hear what comes from the server."""
        for letter, body in self._from_server.of(data):
            if letter == b"K":
                self._pid, self._open = int.from_bytes(body[:4], "big"), True
                self._tell("opened", pid=self._pid)
            elif letter == b"E" and self._open:
                fields = {field[:1]: field[1:] for field in body.split(b"\0")}
                message = fields[b"M"].decode(errors="replace")
                self._tell("refused", pid=self._pid, text=message.partition("\n")[0])

    def ended(self) -> None:
        """Tell once that it is over, whoever ended it."""
        if self._open:
            self._open = False
            self._tell("closed", pid=self._pid)


class Wire(asyncpg.protocol.Protocol):
    """asyncpg's side of a connection, which also tells what goes over it."""

    tell: Callable[..., None]

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - whatever the loop makes
        """Listen from the start."""
        self._overheard = Overheard(type(self).tell)
        super().connection_made(Transport(transport, self._overheard.sent))

    def data_received(self, data: Any) -> None:  # noqa: ANN401 - bytes, or what is like them
        """Hear it before asyncpg does."""
        self._overheard.received(bytes(data))
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Hear that the other side is gone."""
        self._overheard.ended()
        super().connection_lost(exc)


def shortened(statement: str) -> str:
    """Return what controls a transaction whole, and of any other statement its verb and its first table."""
    text = " ".join(_COMMENT.sub(" ", statement).split()).rstrip("; ")
    verb = text.partition(" ")[0].upper()
    if verb in CONTROL and ";" not in text:
        return text
    if found := _DATABASE.match(text):
        text = found[0].upper()
    elif found := _NAMED.match(text):
        text = f"{found['what'].upper()}{(found['object'] or '').upper()} {found['name']}"
    elif verb == "WITH" and (found := _CHANGE.search(text)):
        text = f"WITH ... {found[1].upper()} {found['name']}"
    elif found := _FROM.search(text):
        text = f"{verb} {found['name']}"
    if len(text) > LONGEST_STATEMENT:
        return f"{text[: LONGEST_STATEMENT - 4]} ..."
    return text or ";"  # what a ping is


class Tracer:
    """Writes events, a line each and as they come, so that a process that hangs has told how far it came."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("w", buffering=1, encoding="utf-8")
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()
        self._of_pytest = self._of_others = NO_LOOP
        self._runners: dict[str, int] = {}
        self._fixtures: set[tuple[str, str]] = set()
        self._test = 0
        self._phase: Literal["", "setup", "call", "teardown"] = ""
        Wire.tell = self._tell
        asyncpg.protocol.Protocol = Wire  # type: ignore[assignment, misc] # where asyncpg.connect looks for it
        event.listen(Pool, "checkout", self._taken)
        event.listen(Pool, "checkin", self._returned)

    def _tell(self, kind: Any, **details: Any) -> None:  # noqa: ANN401 - as in Event
        told = Event(kind, self._test, self._phase, **{"loop": self._running(), **details})
        self._file.write(json.dumps(asdict(told)) + "\n")

    def _running(self) -> int:
        """Return the number of the loop that runs here; one that nobody announced gets its number now."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return NO_LOOP
        if loop not in self._loops:
            self._of_others -= 1
            self._loops[loop] = self._of_others
        return self._loops[loop]

    def _taken(self, connection: Any, *_: object) -> None:  # noqa: ANN401 - of any driver
        self._tell_of_pool("taken", connection)

    def _returned(self, connection: Any, *_: object) -> None:  # noqa: ANN401 - as above
        self._tell_of_pool("returned", connection)

    def _tell_of_pool(self, kind: str, connection: Any) -> None:  # noqa: ANN401 - as above
        driver = getattr(connection, "driver_connection", None)
        if isinstance(driver, asyncpg.Connection):
            self._tell(kind, pid=driver.get_server_pid())

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
        """Tell of the fixture, and learn whose loop it is that pytest-asyncio makes by one of its own."""
        if runner := _RUNNER.fullmatch(fixturedef.argname):
            value: Any = yield
            self._of_pytest += 1
            self._loops[value.get_loop()] = self._runners[fixturedef.argname] = self._of_pytest
            self._tell("loop made", loop=self._of_pytest, scope=runner[1])
            return value
        if fixturedef.func.__module__.partition(".")[0] in _NOT_TOLD:
            return (yield)
        self._tell("fixture begins", text=fixturedef.argname, scope=fixturedef.scope)
        try:
            return (yield)
        finally:
            self._fixtures.add((fixturedef.argname, fixturedef.baseid))
            self._tell("fixture ready", text=fixturedef.argname, scope=fixturedef.scope)

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        """Tell, once, that a fixture or a loop is over: pytest may call this several times."""
        if number := self._runners.pop(fixturedef.argname, None):
            self._tell("loop closed", loop=number)
        elif (fixturedef.argname, fixturedef.baseid) in self._fixtures:
            self._fixtures.remove((fixturedef.argname, fixturedef.baseid))
            self._tell("fixture over", text=fixturedef.argname, scope=fixturedef.scope)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Begin a test."""
        self._test += 1
        self._phase = "setup"
        self._tell("test", text=getattr(item, "originalname", item.name).removeprefix("test_"))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self) -> None:
        """Go on to its call."""
        self._phase = "call"

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self) -> None:
        """Go on to its teardown."""
        self._phase = "teardown"

    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> None:
        """Tell of an error that ended a phase."""
        if call.excinfo is not None:
            failure = describe_failure(call.when, call.excinfo.value)
            self._tell("error", text=f"{failure.type}: {failure.message}")

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Tell why the process ends itself."""
        if excinfo.errisinstance(pytest.exit.Exception):
            self._tell("contract broken", text=str(excinfo.value).removeprefix("looptrap: "))

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """Close the file; what connections do after that is the end of the process."""
        self._file.close()
