"""
Give each test a copy of a migrated template database, made while other tests run.

A few databases take turns: after a test its database is dropped, copied again in the background, and joins the end of
the queue. The server does as much work as for copies on demand.

Use it when tests need a complete database, and leave the server enough time between them to copy one.
Prior art: [IntegreSQL](https://github.com/allaboutapps/integresql).
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

import pytest_asyncio
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from bench import Probe, Strategy
from strategies._databases import drop, replace

strategy = Strategy(
    test_loop_scope="session",
    fixture_loop_scope="session",
    hides={Probe.SESSION_FIXTURE, Probe.MODULE_FIXTURE},
    core=False,
)

pytest_plugins = ["strategies._databases"]

COPIES = 4  # one for the running test; the others are ready or being copied


class Copy:
    """A database that is repeatedly copied in the background, and its engine."""

    def __init__(self, server: AsyncEngine, template: URL, number: int) -> None:
        self._server, self._template = server, str(template.database)
        self._name = f"{self._template}_{number}"
        self.engine = create_async_engine(template.set(database=self._name))
        self.renew()

    def renew(self) -> None:
        """Start copying; an error is raised in the test that takes this copy."""
        self.made = asyncio.create_task(replace(self._server, self._name, self._template))

    async def drop(self) -> None:
        """Drop the copy, after its copying has ended or failed."""
        await asyncio.wait([self.made])
        await self.engine.dispose()
        await drop(self._server, self._name)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def copies(server: AsyncEngine, worker_database: URL) -> AsyncIterator[deque[Copy]]:
    """The copies that no test is using, the oldest first."""
    copies = deque(Copy(server, worker_database, number) for number in range(COPIES))
    yield copies
    for copy in copies:
        await copy.drop()


@pytest_asyncio.fixture(loop_scope="session")
async def db_engine(copies: deque[Copy]) -> AsyncIterator[AsyncEngine]:
    """An engine on a new copy."""
    copy = copies.popleft()
    try:
        await copy.made
        yield copy.engine
    finally:
        await copy.engine.dispose()
        copy.renew()
        copies.append(copy)


@pytest_asyncio.fixture(loop_scope="session")
async def session_factory(db_engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    """Sessions that commit for real."""
    return async_sessionmaker(db_engine, expire_on_commit=False)
