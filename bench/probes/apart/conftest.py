"""
Synchronises two workers of pytest-xdist: each waits for the other at certain lines of the test.

They set up and tear down one after the other, so the outcome does not depend on which is faster.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

LEADER, FOLLOWER = "gw0", "gw1"
PATIENCE = 30.0
"""Seconds to wait for the other worker to set up or tear down."""


class Meeting:
    """Records in files how far each of the two workers has come."""

    def __init__(self, config: pytest.Config) -> None:
        self.worker: str | None = getattr(config, "workerinput", {}).get("workerid")
        self._other = FOLLOWER if self.worker == LEADER else LEADER
        self._folder: Path | None = config.getoption("--probe-folder")

    def mark(self, place: str) -> None:
        """Record that this worker has reached a place."""
        self._file(str(self.worker), place).touch()

    def wait(self, *places: str) -> None:
        """Wait, up to `PATIENCE`, until the other worker has reached one of these places."""
        end = time.monotonic() + PATIENCE
        while not self._has_reached(*places) and time.monotonic() < end:
            time.sleep(0.01)

    async def meet(self, place: str) -> None:
        """Wait inside a test until the other worker has reached the same place."""
        self.mark(place)
        while not self._has_reached(place):  # noqa: ASYNC110 - the other worker is another process
            await asyncio.sleep(0.01)

    def _has_reached(self, *places: str) -> bool:
        return any(self._file(self._other, place).exists() for place in places)

    def _file(self, worker: str, place: str) -> Path:
        return Path(self._folder or "") / f"{worker}.{place}"


_MEETING = pytest.StashKey[Meeting]()


def pytest_configure(config: pytest.Config) -> None:
    """Determine which worker this is."""
    config.stash[_MEETING] = Meeting(config)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Make the follower set up after the leader."""
    meeting = item.config.stash[_MEETING]
    if meeting.worker == FOLLOWER:
        meeting.wait("ready", "over")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Make the follower tear down after the leader."""
    meeting = item.config.stash[_MEETING]
    if meeting.worker == FOLLOWER:
        meeting.wait("over")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Record that this worker has finished."""
    meeting = session.config.stash[_MEETING]
    if meeting.worker:
        meeting.mark("over")


@pytest.fixture
def meet(session_factory: object, pytestconfig: pytest.Config) -> Callable[[str], Awaitable[None]]:  # noqa: ARG001 - needed for its order
    """A function that waits until both workers have reached a place; both have been set up."""
    meeting = pytestconfig.stash[_MEETING]
    meeting.mark("ready")
    meeting.wait("ready", "over")
    return meeting.meet
