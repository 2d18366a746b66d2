"""Fixtures of the probes; reports the end of each test phase to `bench/measure/probing.py`."""

import asyncio
import functools
import json
from collections.abc import Awaitable, Callable, Generator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, Protocol

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.probes.protocol import (
    BOTH,
    EVENTS_FILE,
    FIRST,
    FIRST_TURN_FILE,
    REFUSED_FILE,
    Outcome,
    Phase,
    PhaseEvent,
    describe,
)
from bench.probes.rows import Sessions
from bench.strategy.probe_catalogue import Family, Probe

PATIENCE = 5.0
"""Time limit of a probe's body in seconds. A working one takes less than a tenth of that on a slow machine."""

_FAILED = pytest.StashKey[set[Probe]]()
"""Probes that have failed."""


class HangsError(Exception):
    """The body of a probe exceeded its time limit."""


class Unchanged(Protocol):
    """Asserts that both turns of a probe found the same value."""

    def __call__(self, found: object, what: str) -> None:
        """
        Store the value in the first turn; compare with it in the second.

        :param found: a value that JSON can represent.
        :raises AssertionError: the second turn found a different value.
        """


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--probe-folder`."""
    parser.addoption(
        "--probe-folder",
        type=Path,
        metavar="DIR",
        help="folder for outcomes, and for what a probe stores between its turns",
    )
    parser.addoption("--probes", metavar="A,B", help="run only these")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and the plugin that reports a broken contract."""
    config.stash[_FAILED] = set()
    if folder := config.getoption("--probe-folder"):
        config.pluginmanager.register(_RefusalWriter(folder))
    config.addinivalue_line("markers", "accident(error): the first turn must end with that error")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what was not requested, limit the time of each probe, and expect accidents to fail."""
    requested: str | None = config.getoption("--probes")
    if requested is not None:
        items[:] = [item for item in items if _probe(item) in requested.split(",")]
    for item in items:
        if isinstance(item, pytest.Function):
            item.obj = _with_time_limit(item.obj)
            if (accident := item.get_closest_marker("accident")) and item.callspec.params["turn"] == FIRST:
                item.add_marker(pytest.mark.xfail(raises=accident.kwargs["error"], strict=True))


def _with_time_limit(body: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(body)
    async def bounded(*arguments: object, **fixtures: object) -> None:
        try:
            async with asyncio.timeout(PATIENCE) as patience:
                await body(*arguments, **fixtures)
        except TimeoutError as error:
            if patience.expired():
                raise HangsError(f"no end within {PATIENCE:g} s") from error
            raise

    return bounded


@pytest.fixture(autouse=True, params=BOTH)
def turn(request: pytest.FixtureRequest) -> str:
    """Which of a probe's two tests this is: `first` or `second`."""
    return str(request.param)


@pytest.fixture
def unchanged(turn: str, request: pytest.FixtureRequest) -> Unchanged:
    """Compares the two turns, through a file, since the second turn may run in another process."""
    path: Path = request.config.getoption("--probe-folder") / FIRST_TURN_FILE
    probe = _probe(request.node)

    def compare(found: object, what: str) -> None:
        stored = json.loads(path.read_text()) if path.exists() else {}
        before = stored.setdefault(f"{probe} {what}", found) if turn == FIRST else stored.get(f"{probe} {what}")
        path.write_text(json.dumps(stored))
        assert found == before, f"{what}: {before!r} before an earlier test changed it, {found!r} now"

    return compare


@pytest.fixture
def engine(session_factory: Sessions) -> AsyncEngine:
    """The engine that the strategy's sessions use."""
    return AsyncEngine(session_factory().sync_session.get_bind().engine)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """Report that a test starts."""
    _report(item, "start")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip the second turn if the first has failed."""
    if _probe(item) in item.config.stash[_FAILED]:
        pytest.skip("the first turn has failed")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Report how a phase ended."""
    report = yield
    if not report.failed:
        _report(item, call.when)
        return report
    error = call.excinfo.value if call.excinfo else None
    hidden = call.when == "call" and isinstance(error, AssertionError | pytest.fail.Exception)
    _report(item, call.when, "hides" if hidden else "breaks", describe(error) if error else str(report.longrepr))
    probe = _probe(item)
    item.config.stash[_FAILED].add(probe)
    # A strategy's teardown normally protects the probes that follow. It may not after a hang, a failed teardown, an
    # accident or a failure in another event loop, so then they run in another process with another database.
    contagious = probe.family in {Family.LOOPS, Family.ACCIDENTS}
    if contagious or call.when == "teardown" or isinstance(error, HangsError):
        item.session.shouldstop = "this failure may affect the probes that follow"
    return report


class _RefusalWriter:
    """Records why the process ends early: the strategy breaks the contract."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Write the reason to a file."""
        if excinfo.errisinstance(pytest.exit.Exception):
            (self._folder / REFUSED_FILE).write_text(str(excinfo.value))


def _report(item: pytest.Item, phase: Phase | Literal["collect"], outcome: Outcome = "sees", detail: str = "") -> None:
    folder: Path | None = item.config.getoption("--probe-folder")
    if folder is None or phase == "collect":
        return
    turn = str(item.callspec.params["turn"]) if isinstance(item, pytest.Function) else ""
    event = PhaseEvent(_probe(item), turn, phase, outcome, detail)
    with (folder / EVENTS_FILE).open("a") as file:
        file.write(json.dumps(asdict(event)) + "\n")


def _probe(item: Any) -> Probe:  # noqa: ANN401 - hooks get the base class; only pytest.Function has originalname
    return Probe[item.originalname.removeprefix("test_").upper()]
