"""
The pytest plugin that traces a process: which event loop runs what, and which statements reach the server.

It is idle unless `--trace-loops FILE` is given. It sends nothing itself and keeps no event loop alive. It does not see
connections of other drivers than asyncpg, pools other than SQLAlchemy's, statements inside functions, or COPY data.
"""

import asyncio
import json
import re
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal
from weakref import WeakKeyDictionary

import asyncpg
import pytest
from sqlalchemy import Pool, event

from bench.results.traces import NO_LOOP, TRANSACTION_CONTROL, Event, EventKind
from bench.worker.postgres_wire import report_connections
from bench.worker.recorder import describe_failure

LONGEST_STATEMENT = 40

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_DATABASE = re.compile(r"\w+ DATABASE", re.IGNORECASE)
"""Names of databases are left out, because each process has a database of its own."""
_OBJECTS = "TABLE|SCHEMA|SEQUENCE|INDEX|FUNCTION|TRIGGER|TYPE|DOMAIN|EXTENSION"
_NAMED = re.compile(
    rf"(?P<what>CREATE|DROP|ALTER|TRUNCATE)(?: UNIQUE| OR REPLACE)?(?P<object> (?:{_OBJECTS}))?"
    r"(?: IF (?:NOT )?EXISTS)? (?P<name>[\w\".]+)",
    re.IGNORECASE,
)
_FROM = re.compile(r"\b(?:FROM|INTO|UPDATE)(?: ONLY)? (?P<name>[\w\".]+)", re.IGNORECASE)
_CHANGE = re.compile(r"\b(DELETE|INSERT|UPDATE)(?: FROM| INTO)?(?: ONLY)? (?P<name>[\w\".]+)", re.IGNORECASE)
_RUNNER = re.compile(r"_(\w+)_scoped_runner")
_NOT_TRACED = ("_pytest", "pytest_asyncio")
"""Packages whose fixtures are not traced."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--trace-loops`."""
    parser.getgroup("looptrap").addoption("--trace-loops", type=Path, metavar="FILE", help="write a trace to FILE")


def pytest_configure(config: pytest.Config) -> None:
    """Start the tracer if it was requested."""
    file = config.getoption("trace_loops")
    if file:
        config.pluginmanager.register(Tracer(file), "looptrap-tracer")


def shortened(statement: str) -> str:
    """Return a statement that controls a transaction whole, and any other as its verb and first table."""
    text = " ".join(_COMMENT.sub(" ", statement).split()).rstrip("; ")
    verb = text.partition(" ")[0].upper()
    if verb in TRANSACTION_CONTROL and ";" not in text:
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
    return text or ";"  # the statement of a ping


class Tracer:
    """Writes one line per event as it happens, so that the trace of a process that hangs is complete up to there."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("w", buffering=1, encoding="utf-8")
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()
        self._last_of_pytest = self._last_of_code = NO_LOOP
        self._runners: dict[str, int] = {}
        self._fixtures: set[tuple[str, str]] = set()
        self._test = 0
        self._phase: Literal["", "setup", "call", "teardown"] = ""
        report_connections(self._on_wire)
        event.listen(Pool, "checkout", lambda connection, *_: self._on_pool("taken", connection))
        event.listen(Pool, "checkin", lambda connection, *_: self._on_pool("returned", connection))

    def _write(self, kind: EventKind, **details: Any) -> None:  # noqa: ANN401 - the other fields of Event
        happened = Event(kind, self._test, self._phase, **{"loop": self._running_loop(), **details})
        self._file.write(json.dumps(asdict(happened)) + "\n")

    def _running_loop(self) -> int:
        """Return the number of the running loop. One that pytest-asyncio did not make is numbered here."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return NO_LOOP
        if loop not in self._loops:
            self._last_of_code -= 1
            self._loops[loop] = self._last_of_code
        return self._loops[loop]

    def _on_wire(self, kind: EventKind, pid: int, text: str) -> None:
        self._write(kind, pid=pid, text=shortened(text) if kind == "statement" else text)

    def _on_pool(self, kind: EventKind, connection: Any) -> None:  # noqa: ANN401 - of any driver
        driver = getattr(connection, "driver_connection", None)
        if isinstance(driver, asyncpg.Connection):
            self._write(kind, pid=driver.get_server_pid())

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
        """Write that a fixture is set up, or, for the private fixtures of pytest-asyncio, that a loop was made."""
        if runner := _RUNNER.fullmatch(fixturedef.argname):
            value: Any = yield
            self._last_of_pytest += 1
            self._loops[value.get_loop()] = self._runners[fixturedef.argname] = self._last_of_pytest
            self._write("loop made", loop=self._last_of_pytest, scope=runner[1])
            return value
        if fixturedef.func.__module__.partition(".")[0] in _NOT_TRACED:
            return (yield)
        self._write("fixture begins", text=fixturedef.argname, scope=fixturedef.scope)
        try:
            return (yield)
        finally:
            self._fixtures.add((fixturedef.argname, fixturedef.baseid))
            self._write("fixture ready", text=fixturedef.argname, scope=fixturedef.scope)

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        """Write once that a fixture was torn down or a loop closed; pytest may call this several times."""
        if number := self._runners.pop(fixturedef.argname, None):
            self._write("loop closed", loop=number)
        elif (fixturedef.argname, fixturedef.baseid) in self._fixtures:
            self._fixtures.remove((fixturedef.argname, fixturedef.baseid))
            self._write("fixture over", text=fixturedef.argname, scope=fixturedef.scope)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Start a test."""
        self._test += 1
        self._phase = "setup"
        self._write("test", text=getattr(item, "originalname", item.name).removeprefix("test_"))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self) -> None:
        """Enter the test's call phase."""
        self._phase = "call"

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self) -> None:
        """Enter the test's teardown phase."""
        self._phase = "teardown"

    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> None:
        """Write the error that ended a phase."""
        if call.excinfo is not None:
            failure = describe_failure(call.when, call.excinfo.value)
            self._write("error", text=f"{failure.type}: {failure.message}")

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Write why the process ends early."""
        if excinfo.errisinstance(pytest.exit.Exception):
            self._write("contract broken", text=str(excinfo.value))

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """Close the file; connections that close after this belong to the end of the process."""
        self._file.close()
