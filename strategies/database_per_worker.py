"""
Give each worker of pytest-xdist a database of its own, and roll each test back.

Each run creates and migrates the databases anew. Workers share no rows and no locks, and never migrate the same
database. Otherwise it works like `savepoint_rollback`.

Use it when a suite that rolls back runs in parallel.
Prior art: [pytest-django](https://github.com/pytest-dev/pytest-django/blob/main/docs/usage.rst).
"""

from collections.abc import AsyncIterator

import pytest_asyncio
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from bench import ONE_TRANSACTION, Probe, Strategy

strategy = Strategy(
    test_loop_scope="session",
    fixture_loop_scope="session",
    hides={*ONE_TRANSACTION, Probe.ADVISORY_SESSION_LOCK, Probe.PREPARED_STATEMENT},
    core=False,
)

pytest_plugins = ["strategies._databases"]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def db_engine(worker_database: URL) -> AsyncIterator[AsyncEngine]:
    """One engine for all tests of the worker."""
    engine = create_async_engine(worker_database)
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture(loop_scope="session")
async def session_factory(db_engine: AsyncEngine) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Sessions on one connection, inside a transaction that they cannot commit."""
    async with db_engine.connect() as connection:
        transaction = await connection.begin()
        yield async_sessionmaker(connection, expire_on_commit=False, join_transaction_mode="create_savepoint")
        await transaction.rollback()
