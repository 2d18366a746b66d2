"""A test that ends badly leaves the next one clean: the first turn has the accident, the second checks."""

import asyncio
import contextlib
import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from bench.probes.conftest import Unchanged
from bench.probes.protocol import FIRST
from bench.probes.rows import Sessions, a_customer, commit_one, count, is_there

left_running: list[asyncio.Task[None]] = []
left_open: list[AsyncConnection] = []
go_on = threading.Event()  # an asyncio.Event would belong to one event loop


async def is_clean(sessions: Sessions, unchanged: Unchanged) -> None:
    """Assert that the number of rows is the same as before the accident, and that commits work."""
    unchanged(await count(sessions), "customers at the start of a test")
    assert await is_there(sessions, await commit_one(sessions)), "a committed row is missing"


@pytest.mark.accident(error=DBAPIError)
async def test_failed_test(
    turn: str, session_factory: Sessions, db_session: AsyncSession, unchanged: Unchanged
) -> None:
    """A test fails with an error that aborts its transaction."""
    await is_clean(session_factory, unchanged)
    if turn == FIRST:
        await db_session.execute(text("SELECT 1 / 0"))


@pytest.mark.accident(error=asyncio.CancelledError)
async def test_cancelled_test(
    turn: str, session_factory: Sessions, db_session: AsyncSession, unchanged: Unchanged
) -> None:
    """A test is cancelled while it waits for a query."""
    await is_clean(session_factory, unchanged)
    test = asyncio.current_task()
    if turn == FIRST and test is not None:
        asyncio.get_running_loop().call_later(0.2, test.cancel)
        await db_session.execute(text("SELECT pg_sleep(60)"))


async def test_open_connection(turn: str, session_factory: Sessions, engine: AsyncEngine, unchanged: Unchanged) -> None:
    """A test leaves a connection open in a transaction that has read a table."""
    await is_clean(session_factory, unchanged)
    if turn == FIRST:
        connection = await engine.connect()
        await connection.execute(text("SELECT FROM customers"))
        left_open.append(connection)


async def test_running_task(turn: str, session_factory: Sessions, unchanged: Unchanged) -> None:
    """A test leaves a task running in a query; during the next test the task commits."""
    if turn == FIRST:
        await is_clean(session_factory, unchanged)
        left_running.append(asyncio.create_task(commit_later(session_factory)))
        await asyncio.sleep(0.2)
        return
    go_on.set()
    while not left_running[0].done():  # noqa: ASYNC110 - the task may belong to a closed loop
        await asyncio.sleep(0.01)
    await is_clean(session_factory, unchanged)


async def commit_later(sessions: Sessions) -> None:
    """Run queries until the second test starts, then commit a row."""
    with contextlib.suppress(SQLAlchemyError, OSError):
        async with sessions() as session:
            while not go_on.is_set():
                # Far longer than a test takes to reach its teardown, so the teardown always meets a running query.
                await session.execute(text("SELECT pg_sleep(1.5)"))
            session.add(a_customer())
            await session.commit()
