"""What is no row: notifications, locks, the state of a session, indexes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from bench.probes.conftest import Unchanged
from bench.probes.rows import Sessions, an_email

SECONDS = 1.0
"""A notification comes within a millisecond."""

POOLED = 5
"""The most connections that SQLAlchemy's pool keeps unless it is told otherwise."""


@contextlib.asynccontextmanager
async def another_connection(engine: AsyncEngine) -> "AsyncIterator[asyncpg.Connection]":
    """Open a connection that no pool knows, to the database of an engine."""
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def test_notify(db_session: AsyncSession, engine: AsyncEngine) -> None:
    """A listener on another connection gets what the session sends."""
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
    pytest.fail("no notification came after the commit")


async def test_advisory_transaction_lock(db_session: AsyncSession, engine: AsyncEngine) -> None:
    """After the commit another connection gets the lock."""
    await db_session.execute(text("SELECT pg_advisory_xact_lock(1001)"))
    await db_session.commit()
    async with another_connection(engine) as connection:
        assert await connection.fetchval("SELECT pg_try_advisory_lock(1001)"), "the lock is still held after the commit"


async def test_advisory_session_lock(db_session: AsyncSession, unchanged: Unchanged) -> None:
    """A lock is taken and not released; the next test does not find it."""
    held = text(
        "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
        " WHERE locktype = 'advisory' AND objid = 1002 AND datname = current_database()"
    )
    unchanged(await db_session.scalar(held), "locks at the start of a test")
    await db_session.execute(text("SELECT pg_advisory_lock(1002)"))
    await db_session.commit()


async def test_temporary_table(db_session: AsyncSession, unchanged: Unchanged) -> None:
    """A table is created; the next test does not find it, on whatever connection."""
    tables = text("SELECT count(*) FROM pg_class WHERE relname = 'probe_temporary'")
    unchanged(await db_session.scalar(tables), "temporary tables at the start of a test")
    await db_session.execute(text("CREATE TEMPORARY TABLE probe_temporary (id integer)"))
    await db_session.commit()


async def test_session_setting(db_session: AsyncSession, session_factory: Sessions, unchanged: Unchanged) -> None:
    """A setting is changed; the next test does not find it changed."""
    settings = await on_every_connection(session_factory, "SELECT coalesce(current_setting('probe.word', true), '')")
    unchanged("left over" in settings, "whether a setting was changed at the start of a test")
    await db_session.execute(text("SET probe.word = 'left over'"))
    await db_session.commit()


async def test_prepared_statement(db_session: AsyncSession, session_factory: Sessions, unchanged: Unchanged) -> None:
    """A statement is prepared; the next test does not find it."""
    names = "SELECT coalesce(string_agg(name, ' '), '') FROM pg_prepared_statements WHERE name = 'probe_statement'"
    statements = await on_every_connection(session_factory, names)
    unchanged("probe_statement" in statements, "whether the statement existed at the start of a test")
    await db_session.execute(text("PREPARE probe_statement AS SELECT 1"))
    await db_session.commit()


async def test_index_concurrently(session_factory: Sessions) -> None:
    """An index is built and dropped, outside a transaction."""
    async with session_factory() as session:
        await session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        await session.execute(text("CREATE INDEX CONCURRENTLY probe_index ON customers (name)"))
        await session.execute(text("DROP INDEX CONCURRENTLY probe_index"))


async def test_listen_ends(db_session: AsyncSession, session_factory: Sessions, unchanged: Unchanged) -> None:
    """A session listens; no connection of the next test does."""
    channels = "SELECT coalesce(string_agg(c, ' '), '') FROM pg_listening_channels() AS c WHERE c = 'probe_listen'"
    listening = await on_every_connection(session_factory, channels)
    unchanged("probe_listen" in listening, "whether a connection listened at the start of a test")
    await db_session.execute(text("LISTEN probe_listen"))
    await db_session.commit()


async def on_every_connection(sessions: Sessions, query: str) -> list[str]:
    """
    Ask for a text on each connection that sessions may be given: all that wait in the pool.

    Sessions at work at the same time have connections of their own; which one is given first is the pool's affair.
    """
    async with contextlib.AsyncExitStack() as stack:
        answers = []
        for _ in range(POOLED):
            session = await stack.enter_async_context(sessions())
            answers.append((await session.execute(text(query))).scalar_one())
        return answers
