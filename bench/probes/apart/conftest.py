"""
Makes two workers of pytest-xdist meet: each waits for the other at a line of the test.

They set up and clean up one after the other, so that what comes out does not depend on which is faster.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

LEADER, FOLLOWER = "gw0", "gw1"
PATIENCE = 30.0
"""Seconds to wait for the other worker to set up or clean up."""


class Meeting:
    """Marks, by files, how far each of two workers has come."""

    def __init__(self, config: pytest.Config) -> None:
        self.worker: str | None = getattr(config, "workerinput", {}).get("workerid")
        self._other = FOLLOWER if self.worker == LEADER else LEADER
        self._folder: Path | None = config.getoption("--probe-folder")

    def mark(self, place: str) -> None:
        """Say that this worker has come to a place."""
        self._file(str(self.worker), place).touch()

    def wait(self, *places: str) -> None:
        """Wait for the other worker to come to one of these places, but not for ever."""
        end = time.monotonic() + PATIENCE
        while not self._has_come(*places) and time.monotonic() < end:
            time.sleep(0.01)

    async def meet(self, place: str) -> None:
        """Wait within a test for the other worker to come to the same place."""
        self.mark(place)
        while not self._has_come(place):  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.01)

    def _has_come(self, *places: str) -> bool:
        return any(self._file(self._other, place).exists() for place in places)

    def _file(self, worker: str, place: str) -> Path:
        return Path(self._folder or "") / f"{worker}.{place}"


_MEETING = pytest.StashKey[Meeting]()


def pytest_configure(config: pytest.Config) -> None:
    """Find out which worker this is."""
    config.stash[_MEETING] = Meeting(config)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Set up after the leader has."""
    meeting = item.config.stash[_MEETING]
    if meeting.worker == FOLLOWER:
        meeting.wait("ready", "over")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Clean up after the leader has."""
    meeting = item.config.stash[_MEETING]
    if meeting.worker == FOLLOWER:
        meeting.wait("over")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Say that nothing more comes from this worker."""
    meeting = session.config.stash[_MEETING]
    if meeting.worker:
        meeting.mark("over")


@pytest.fixture
def meet(session_factory: object, pytestconfig: pytest.Config) -> Callable[[str], Awaitable[None]]:  # noqa: ARG001 - after it
    """What waits until both workers have come to a place; both have set up."""
    meeting = pytestconfig.stash[_MEETING]
    meeting.mark("ready")
    meeting.wait("ready", "over")
    return meeting.meet
