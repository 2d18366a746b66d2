"""Database state other than rows: notifications, locks, session state, indexes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.pool import QueuePool

from bench.probes.conftest import Unchanged
from bench.probes.protocol import FIRST
from bench.probes.rows import Sessions, an_email

SECONDS = 1.0
"""Time limit for a notification, which normally arrives within a millisecond."""


@contextlib.asynccontextmanager
async def another_connection(engine: AsyncEngine) -> "AsyncIterator[asyncpg.Connection]":
    """Open a connection outside any pool, to the database of an engine."""
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def test_notify(db_session: AsyncSession, engine: AsyncEngine) -> None:
    """A listener on another connection gets the session's notification."""
    heard: asyncio.Queue[str] = asyncio.Queue()
    word = an_email()
    async with another_connection(engine) as listener:
        await listener.add_listener("probe", lambda *message: heard.put_nowait(str(message[-1])))
        await db_session.execute(text("SELECT pg_notify('probe', :word)"), {"word": word})
        await db_session.commit()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SECONDS):
                assert await heard.get() == word
                return
    pytest.fail("no notification arrived after the commit")


async def test_advisory_transaction_lock(db_session: AsyncSession, engine: AsyncEngine) -> None:
    """After the commit another connection gets the lock."""
    await db_session.execute(text("SELECT pg_advisory_xact_lock(1001)"))
    await db_session.commit()
    async with another_connection(engine) as connection:
        assert await connection.fetchval("SELECT pg_try_advisory_lock(1001)"), "the lock is still held after the commit"


async def test_advisory_session_lock(db_session: AsyncSession, unchanged: Unchanged) -> None:
    """A test takes a lock and does not release it; the next test does not find it."""
    held = text(
        "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
        " WHERE locktype = 'advisory' AND objid = 1002 AND datname = current_database()"
    )
    unchanged(await db_session.scalar(held), "locks at the start of a test")
    await db_session.execute(text("SELECT pg_advisory_lock(1002)"))
    await db_session.commit()


async def test_temporary_table(db_session: AsyncSession, unchanged: Unchanged) -> None:
    """A test creates a table; the next test does not find it on any connection."""
    tables = text("SELECT count(*) FROM pg_class WHERE relname = 'probe_temporary'")
    unchanged(await db_session.scalar(tables), "temporary tables at the start of a test")
    await db_session.execute(text("CREATE TEMPORARY TABLE probe_temporary (id integer)"))
    await db_session.commit()


async def test_session_setting(turn: str, session_factory: Sessions, engine: AsyncEngine) -> None:
    """A test changes a setting; the next test does not see the change."""
    if turn == FIRST:
        await commit_statement(session_factory, "SET probe.word = 'left over'")
        return
    settings = await on_every_connection(session_factory, engine, "SELECT current_setting('probe.word', true)")
    assert "left over" not in settings, "a connection still has the setting of an earlier test"


async def test_prepared_statement(turn: str, session_factory: Sessions, engine: AsyncEngine) -> None:
    """A test prepares a statement; the next test does not find it."""
    if turn == FIRST:
        await commit_statement(session_factory, "PREPARE probe_statement AS SELECT 1")
        return
    names = "SELECT max(name) FROM pg_prepared_statements WHERE name = 'probe_statement'"
    statements = await on_every_connection(session_factory, engine, names)
    assert "probe_statement" not in statements, "a connection still has the statement of an earlier test"


async def test_index_concurrently(session_factory: Sessions) -> None:
    """A test builds and drops an index outside a transaction."""
    async with session_factory() as session:
        await session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        await session.execute(text("CREATE INDEX CONCURRENTLY probe_index ON customers (name)"))
        await session.execute(text("DROP INDEX CONCURRENTLY probe_index"))


async def test_listen_ends(turn: str, session_factory: Sessions, engine: AsyncEngine) -> None:
    """A session listens; in the next test no connection does."""
    if turn == FIRST:
        await commit_statement(session_factory, "LISTEN probe_listen")
        return
    channels = "SELECT max(channel) FROM pg_listening_channels() AS channel WHERE channel = 'probe_listen'"
    listening = await on_every_connection(session_factory, engine, channels)
    assert "probe_listen" not in listening, "a connection still listens for an earlier test"


async def commit_statement(sessions: Sessions, statement: str) -> None:
    """Run a statement in a separate session, on one connection only, so that it stays in the pool."""
    async with sessions() as session:
        await session.execute(text(statement))
        await session.commit()


async def on_every_connection(sessions: Sessions, engine: AsyncEngine, query: str) -> list[str | None]:
    """
    Run a query on every connection that a test may get: a session's own, and all that are idle in the pool.

    Which connection a test gets is a matter of chance, so the state of any of them can affect some test.
    """
    async with contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(sessions())
        answers = [(await session.execute(text(query))).scalar_one()]
        waiting = engine.pool.checkedin() if isinstance(engine.pool, QueuePool) else 0
        for _ in range(waiting):
            connection = await stack.enter_async_context(engine.connect())
            answers.append((await connection.execute(text(query))).scalar_one())
        return answers
