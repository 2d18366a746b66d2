"""
Wrap each test in an outer transaction and roll it back.

The application may commit and roll back: its transactions become savepoints of the outer one. All tests share one
engine and one event loop, so the connection stays open between tests.

Use it when your code uses only the injected session, never two at once, and no other connection has to see what it
commits.
Prior art: [SQLAlchemy](https://docs.sqlalchemy.org/en/20/orm/session_transaction.html#session-external-transaction),
[Django](https://docs.djangoproject.com/en/stable/topics/testing/tools/#django.test.TestCase),
[Rails](https://guides.rubyonrails.org/testing.html), [Ecto](https://hexdocs.pm/ecto_sql/Ecto.Adapters.SQL.Sandbox.html).
"""

from collections.abc import AsyncIterator

import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from bench import ONE_TRANSACTION, Probe, Strategy

strategy = Strategy(
    test_loop_scope="session",
    fixture_loop_scope="session",
    hides={*ONE_TRANSACTION, Probe.ADVISORY_SESSION_LOCK, Probe.PREPARED_STATEMENT},
)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def db_engine(migrated_database_url: str) -> AsyncIterator[AsyncEngine]:
    """One engine for all tests."""
    engine = create_async_engine(migrated_database_url)
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture(loop_scope="session")
async def session_factory(db_engine: AsyncEngine) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Sessions on one connection, inside a transaction that they cannot commit."""
    async with db_engine.connect() as connection:
        transaction = await connection.begin()
        yield async_sessionmaker(connection, expire_on_commit=False, join_transaction_mode="create_savepoint")
        await transaction.rollback()
