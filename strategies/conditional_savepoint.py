"""
Roll each test back, with sessions that join the transaction in SQLAlchemy's default mode.

When the application rolls back, for example after a conflict, the outer transaction is rolled back as well. What the
test had committed is lost, and what it commits later stays in the database.

Do not use it: it works only until a test rolls back. With `join_transaction_mode="create_savepoint"` it becomes
savepoint_rollback.
Prior art: [SQLAlchemy](https://docs.sqlalchemy.org/en/20/changelog/whatsnew_20.html#new-transaction-join-modes-for-session),
[its default](https://docs.sqlalchemy.org/en/20/orm/session_api.html#sqlalchemy.orm.Session.params.join_transaction_mode).
"""

from collections.abc import AsyncIterator

import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from bench import ONE_TRANSACTION, Probe, Trap

strategy = Trap(
    test_loop_scope="session",
    fixture_loop_scope="session",
    hides={
        *ONE_TRANSACTION - {Probe.BACKGROUND_TASK, Probe.TWO_REQUESTS, Probe.TWENTY_REQUESTS},
        Probe.COMMIT_THEN_ROLLBACK,
        Probe.INTEGRITY_ERROR,
        Probe.HANDLER_ROLLS_BACK,
        Probe.ADVISORY_SESSION_LOCK,
        Probe.PREPARED_STATEMENT,
    },
    caught_by={Probe.COMMIT_THEN_ROLLBACK, Probe.INTEGRITY_ERROR, Probe.HANDLER_ROLLS_BACK},
)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def db_engine(migrated_database_url: str) -> AsyncIterator[AsyncEngine]:
    """One engine for all tests."""
    engine = create_async_engine(migrated_database_url)
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture(loop_scope="session")
async def session_factory(db_engine: AsyncEngine) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Sessions on one connection; the default join_transaction_mode is conditional_savepoint."""
    async with db_engine.connect() as connection:
        transaction = await connection.begin()
        yield async_sessionmaker(connection, expire_on_commit=False)
        await transaction.rollback()
