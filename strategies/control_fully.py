"""
Roll each test back, with sessions in the mode `control_fully`: they commit for real.

The first commit of a session commits the outer transaction. Nothing is left to roll back, so every row stays.

Do not use it: the mode is for applications that hand a transaction over to a session. Use savepoint_rollback.
Prior art: [SQLAlchemy](https://docs.sqlalchemy.org/en/20/orm/session_api.html#sqlalchemy.orm.Session.params.join_transaction_mode),
[SQLAlchemy #11163](https://github.com/sqlalchemy/sqlalchemy/issues/11163).
"""

from collections.abc import AsyncIterator

import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from bench import KEPT_CONNECTIONS, Probe, Trap

strategy = Trap(
    test_loop_scope="session",
    fixture_loop_scope="session",
    hides={
        *KEPT_CONNECTIONS,
        Probe.ROWS_GONE,
        Probe.IDENTITY_RESTARTS,
        Probe.SEQUENCES_RESTART,
        Probe.REFERENCE_ROWS_RESTORED,
        Probe.TABLE_GONE,
        Probe.COLUMN_GONE,
        Probe.INTERLEAVED_SESSIONS,
        Probe.ISOLATION_LEVEL,
        Probe.SERIALIZATION_FAILURE,
        Probe.TWO_REQUESTS,
        Probe.TWENTY_REQUESTS,
        Probe.SKIP_LOCKED,
        Probe.NOWAIT,
        Probe.INDEX_CONCURRENTLY,
        Probe.FAILED_TEST,
        Probe.CANCELLED_TEST,
        Probe.KILLED_PROCESS,
        Probe.OPEN_CONNECTION,
        Probe.RUNNING_TASK,
        Probe.TWO_WORKERS,
    },
    caught_by={Probe.ROWS_GONE, Probe.FAILED_TEST},
)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def db_engine(migrated_database_url: str) -> AsyncIterator[AsyncEngine]:
    """One engine for all tests."""
    engine = create_async_engine(migrated_database_url)
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture(loop_scope="session")
async def session_factory(db_engine: AsyncEngine) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Sessions on one connection, whose transaction their commits end."""
    async with db_engine.connect() as connection:
        transaction = await connection.begin()
        yield async_sessionmaker(connection, expire_on_commit=False, join_transaction_mode="control_fully")
        await transaction.rollback()
