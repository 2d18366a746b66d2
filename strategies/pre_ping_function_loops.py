"""
Create one engine at import, with `pool_pre_ping=True`; each test has its own loop.

The ping finds that a connection of another event loop is broken. Every other test then gets a new connection and
passes, which looks like flakiness.

Do not use it: it looks like a fix, but every other test fails. Use savepoint_rollback or null_pool. A ping is for
servers that restart, not for event loops.
Prior art: [SQLAlchemy](https://docs.sqlalchemy.org/en/20/core/pooling.html#disconnect-handling-pessimistic),
[pytest-asyncio #402](https://github.com/pytest-dev/pytest-asyncio/issues/402).
"""

import os
from collections.abc import AsyncIterator

import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from bench import ExpectedError, Trap

strategy = Trap(
    test_loop_scope="function",
    fixture_loop_scope="function",
    errors=[ExpectedError("RuntimeError", "attached to a different loop")],
    failures="alternates",
)

engine = create_async_engine(os.environ.get("LOOPTRAP_DATABASE_URL", "postgresql+asyncpg://"), pool_pre_ping=True)


@pytest_asyncio.fixture
async def session_factory(migrated_database_url: str) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Sessions on one connection of the engine above, inside a transaction that they cannot commit."""
    async with engine.connect() as connection:
        transaction = await connection.begin()
        yield async_sessionmaker(connection, expire_on_commit=False, join_transaction_mode="create_savepoint")
        await transaction.rollback()
