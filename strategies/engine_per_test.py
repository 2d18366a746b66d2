"""
Create an engine for each test, in an event loop of its own, and roll the test back.

Event loops share no connection. Each test pays for opening one, and for the queries that a new engine sends first.

Use it when every test needs its own event loop and the application needs an engine with a pool; otherwise null_pool
does the same for less.
Prior art: [fastapi-sqla](https://github.com/dialoguemd/fastapi-sqla/pull/266),
[SQLAlchemy #5626](https://github.com/sqlalchemy/sqlalchemy/issues/5626).
"""

from collections.abc import AsyncIterator

import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from bench import ONE_TRANSACTION, Probe, Strategy

strategy = Strategy(
    test_loop_scope="function",
    fixture_loop_scope="function",
    hides={*ONE_TRANSACTION, Probe.SESSION_FIXTURE, Probe.MODULE_FIXTURE},
)


@pytest_asyncio.fixture
async def db_engine(migrated_database_url: str) -> AsyncIterator[AsyncEngine]:
    """Create the engine in the event loop that will use it."""
    engine = create_async_engine(migrated_database_url)
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture
async def session_factory(db_engine: AsyncEngine) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Sessions on one connection, inside a transaction that they cannot commit."""
    async with db_engine.connect() as connection:
        transaction = await connection.begin()
        yield async_sessionmaker(connection, expire_on_commit=False, join_transaction_mode="create_savepoint")
        await transaction.rollback()
