"""Fixtures of the probes, and the report of each test phase to `bench/measure/probing.py`, a line as it ends."""

import asyncio
import functools
import json
from collections.abc import Awaitable, Callable, Generator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, Protocol

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.probes.protocol import BOTH, FIRST, KEPT_FILE, REFUSED_FILE, TOLD_FILE, Outcome, Phase, Told, describe
from bench.probes.rows import Sessions
from bench.strategy.probe_catalogue import Family, Probe

PATIENCE = 5.0
"""Seconds that the body of a probe may take; one that works takes less than a tenth of that on a slow machine."""

_DECIDED = pytest.StashKey[set[Probe]]()
"""Probes that have failed."""


class HangsError(Exception):
    """The body of a probe did not end."""


class Unchanged(Protocol):
    """Asserts that both turns of a probe found the same."""

    def __call__(self, found: object, what: str) -> None:
        """
        Keep what the first turn found; in the second, compare.

        :param found: something that JSON can keep.
        :raises AssertionError: the second turn found something else.
        """


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--probe-folder`."""
    parser.addoption("--probe-folder", type=Path, metavar="DIR", help="where outcomes go, and what turns keep")
    parser.addoption("--probes", metavar="A,B", help="run these alone")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.stash[_DECIDED] = set()
    if folder := config.getoption("--probe-folder"):
        config.pluginmanager.register(_Teller(folder))
    config.addinivalue_line("markers", "accident(error): the first turn ends with that error, as it is meant to")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what was not asked for, bound the time of each probe, and expect the accidents."""
    asked: str | None = config.getoption("--probes")
    if asked is not None:
        items[:] = [item for item in items if _probe(item) in asked.split(",")]
    for item in items:
        if isinstance(item, pytest.Function):
            item.obj = _bounded(item.obj)
            if (accident := item.get_closest_marker("accident")) and item.callspec.params["turn"] == FIRST:
                item.add_marker(pytest.mark.xfail(raises=accident.kwargs["error"], strict=True))


def _bounded(body: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
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
    """Which of the two tests this is: `first` or `second`."""
    return str(request.param)


@pytest.fixture
def unchanged(turn: str, request: pytest.FixtureRequest) -> Unchanged:
    """What compares the two turns. It is kept in a file, since the second turn may be in another process."""
    path: Path = request.config.getoption("--probe-folder") / KEPT_FILE
    probe = _probe(request.node)

    def compare(found: object, what: str) -> None:
        kept = json.loads(path.read_text()) if path.exists() else {}
        before = kept.setdefault(f"{probe} {what}", found) if turn == FIRST else kept.get(f"{probe} {what}")
        path.write_text(json.dumps(kept))
        assert found == before, f"{what}: {before!r} before an earlier test changed it, {found!r} now"

    return compare


@pytest.fixture
def engine(session_factory: Sessions) -> AsyncEngine:
    """The engine that the strategy's sessions use."""
    return AsyncEngine(session_factory().sync_session.get_bind().engine)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """Tell that a test starts."""
    _tell(item, "start")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out the second turn where the first has decided."""
    if _probe(item) in item.config.stash[_DECIDED]:
        pytest.skip("the first turn has decided")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell how a phase ended."""
    report = yield
    if not report.failed:
        _tell(item, call.when)
        return report
    error = call.excinfo.value if call.excinfo else None
    hidden = call.when == "call" and isinstance(error, AssertionError | pytest.fail.Exception)
    _tell(item, call.when, "hides" if hidden else "breaks", describe(error) if error else str(report.longrepr))
    probe = _probe(item)
    item.config.stash[_DECIDED].add(probe)
    # What a strategy's teardown clears away does not reach the probes that follow; what hangs, fails in teardown, or
    # was left by an accident or in another loop may. They go on in another process, with another database.
    contagious = probe.family in {Family.LOOPS, Family.ACCIDENTS}
    if contagious or call.when == "teardown" or isinstance(error, HangsError):
        item.session.shouldstop = "what failed may reach the probes that follow"
    return report


class _Teller:
    """Tells why the process ends early: the strategy breaks the contract."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Write it down."""
        if excinfo.errisinstance(pytest.exit.Exception):
            (self._folder / REFUSED_FILE).write_text(str(excinfo.value))


def _tell(item: pytest.Item, phase: Phase | Literal["collect"], outcome: Outcome = "sees", detail: str = "") -> None:
    folder: Path | None = item.config.getoption("--probe-folder")
    if folder is None or phase == "collect":
        return
    turn = str(item.callspec.params["turn"]) if isinstance(item, pytest.Function) else ""
    told = Told(_probe(item), turn, phase, outcome, detail)
    with (folder / TOLD_FILE).open("a") as file:
        file.write(json.dumps(asdict(told)) + "\n")


def _probe(item: Any) -> Probe:  # noqa: ANN401 - pytest's Function has the name; its base class, that hooks get, not
    return Probe[item.originalname.removeprefix("test_").upper()]
