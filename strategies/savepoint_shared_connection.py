"""
Roll each test back, with one connection that all sessions use in turn.

The sessions' pool has a single connection, inside the test's outer transaction; BEGIN, COMMIT and ROLLBACK act on a
savepoint. Concurrent requests run one transaction at a time, so tests cannot see lock waits, deadlocks, isolation
levels or interleaving. A task that begins a second transaction before ending its first blocks itself: after 3 seconds
it gets "QueuePool limit of size 1 overflow 0 reached".

Use it when the code under test handles concurrent requests, or opens sessions of its own one after the other, and
speed matters more than how transactions interact.
Prior art: [Ecto's SQL sandbox](https://hexdocs.pm/ecto_sql/Ecto.Adapters.SQL.Sandbox.html),
[Rails' shared connection](https://github.com/rails/rails/pull/28083).
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import QueuePool

from bench import ONE_TRANSACTION, Probe, Strategy

strategy = Strategy(
    test_loop_scope="session",
    fixture_loop_scope="session",
    hides=ONE_TRANSACTION
    - {Probe.SECOND_CONNECTION, Probe.TWO_REQUESTS, Probe.TWENTY_REQUESTS, Probe.SAME_KEY, Probe.RUNNING_TASK}
    | {Probe.ADVISORY_SESSION_LOCK, Probe.PREPARED_STATEMENT},
    cannot={"psycopg": "its rollback() ends the outer transaction, even in AUTOCOMMIT"},
)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def db_engine(migrated_database_url: str) -> AsyncIterator[AsyncEngine]:
    """An ordinary engine, for fixtures with a wider scope than a test."""
    engine = create_async_engine(migrated_database_url)
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_engine(db_engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    """An engine with one connection, on which each transaction is a savepoint."""
    # AUTOCOMMIT, so that neither SQLAlchemy nor the driver begins or ends the transaction around the savepoints.
    engine = create_async_engine(
        db_engine.url, isolation_level="AUTOCOMMIT", pool_size=1, max_overflow=0, pool_timeout=3
    )

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("SAVEPOINT shared")

    @event.listens_for(engine.sync_engine, "commit")
    def commit(connection: Connection) -> None:
        connection.exec_driver_sql("RELEASE SAVEPOINT shared")

    @event.listens_for(engine.sync_engine, "rollback")
    def rollback(connection: Connection) -> None:
        if not connection.invalidated:
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT shared")

    yield engine
    await engine.dispose()


@pytest_asyncio.fixture(loop_scope="session")
async def session_factory(shared_engine: AsyncEngine) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Sessions that take turns on one connection, inside a transaction that they cannot commit."""
    async with shared_engine.connect() as connection:
        outer: Any = (await connection.get_raw_connection()).driver_connection
        await outer.execute("BEGIN")
    yield async_sessionmaker(shared_engine, expire_on_commit=False)
    if isinstance(shared_engine.pool, QueuePool) and shared_engine.pool.checkedout():
        # A task or connection that the test left behind would block all later ones.
        outer.terminate()
        await shared_engine.dispose()
    elif not outer.is_closed():
        await outer.execute("ROLLBACK")
