"""The next test is clean after one that ended badly: in the first turn the accident happens, the second looks."""

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
go_on = threading.Event()  # asyncio's would belong to one loop


async def is_clean(sessions: Sessions, unchanged: Unchanged) -> None:
    """Assert that as many rows are there as before the accident, and that work goes on."""
    unchanged(await count(sessions), "customers at the start of a test")
    assert await is_there(sessions, await commit_one(sessions)), "what is committed is not there"


@pytest.mark.accident(error=DBAPIError)
async def test_failed_test(
    turn: str, session_factory: Sessions, db_session: AsyncSession, unchanged: Unchanged
) -> None:
    """A test ends with the error that aborted its transaction."""
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
    """A test leaves a connection in a transaction that has read a table."""
    await is_clean(session_factory, unchanged)
    if turn == FIRST:
        connection = await engine.connect()
        await connection.execute(text("SELECT FROM customers"))
        left_open.append(connection)


async def test_running_task(turn: str, session_factory: Sessions, unchanged: Unchanged) -> None:
    """A test leaves a task in the middle of a query; in the next test the task goes on to its commit."""
    if turn == FIRST:
        await is_clean(session_factory, unchanged)
        left_running.append(asyncio.create_task(commit_later(session_factory)))
        await asyncio.sleep(0.2)
        return
    go_on.set()
    while not left_running[0].done():  # noqa: ASYNC110 - the task may belong to a loop that is closed
        await asyncio.sleep(0.01)
    await is_clean(session_factory, unchanged)


async def commit_later(sessions: Sessions) -> None:
    """Commit a row, after queries one after the other for as long as the first test and what follows it take."""
    with contextlib.suppress(SQLAlchemyError, OSError):
        async with sessions() as session:
            while not go_on.is_set():
                # Far longer than from the end of a test to its teardown: between two queries there is nothing to break.
                await session.execute(text("SELECT pg_sleep(1.5)"))
            session.add(a_customer())
            await session.commit()
