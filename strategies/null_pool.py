"""
Roll each test back, in an event loop of its own, on an engine with `NullPool`.

The engine keeps no connection, so none is ever used in a second event loop. Each test pays for opening one.

Use it when every test needs its own event loop, and otherwise savepoint_rollback would suit you.
Prior art: [SQLAlchemy](https://docs.sqlalchemy.org/en/20/orm/extensions/asyncio.html#using-multiple-asyncio-event-loops),
[asyncpg #863](https://github.com/MagicStack/asyncpg/issues/863).
"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import NullPool

from bench import ONE_TRANSACTION, Strategy

strategy = Strategy(
    test_loop_scope="function",
    fixture_loop_scope="function",
    hides=ONE_TRANSACTION,
)


@pytest.fixture(scope="session")
def db_engine(migrated_database_url: str) -> AsyncEngine:
    """One engine for all tests; it keeps no connection, so there is nothing to dispose of."""
    return create_async_engine(migrated_database_url, poolclass=NullPool)


@pytest_asyncio.fixture
async def session_factory(db_engine: AsyncEngine) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Sessions on one connection, inside a transaction that they cannot commit."""
    async with db_engine.connect() as connection:
        transaction = await connection.begin()
        yield async_sessionmaker(connection, expire_on_commit=False, join_transaction_mode="create_savepoint")
        await transaction.rollback()
