"""
Roll each test back, after checking its deferred constraints.

The outer transaction never commits, so deferred constraints would never be checked. `SET CONSTRAINTS ALL IMMEDIATE`
checks them just before the rollback. A violation makes the test fail in its teardown, not where the application
commits, so tests cannot see how the application handles it.

Use it when you would use `savepoint_rollback`, and the schema has constraints that are initially deferred.
Prior art: [Django on the same gap](https://code.djangoproject.com/ticket/16457),
[SQLAlchemy's recipe](https://docs.sqlalchemy.org/en/20/orm/session_transaction.html#joining-a-session-into-an-external-transaction-such-as-for-test-suites).
"""

from collections.abc import AsyncIterator

import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from bench import ONE_TRANSACTION, Probe, Strategy

strategy = Strategy(
    test_loop_scope="session",
    fixture_loop_scope="session",
    # Unlike a rollback, the check waits until the query of a running task ends, and the rollback follows at once.
    hides={*ONE_TRANSACTION - {Probe.RUNNING_TASK}, Probe.ADVISORY_SESSION_LOCK, Probe.PREPARED_STATEMENT},
    core=False,
)

IN_FAILED_TRANSACTION = "25P02"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def db_engine(migrated_database_url: str) -> AsyncIterator[AsyncEngine]:
    """One engine for all tests."""
    engine = create_async_engine(migrated_database_url)
    yield engine
    await engine.dispose()


async def check_constraints(connection: AsyncConnection) -> None:
    """Check what a commit would check, unless the transaction has failed."""
    if connection.invalidated:
        return
    try:
        await connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != IN_FAILED_TRANSACTION:
            raise


@pytest_asyncio.fixture(loop_scope="session")
async def session_factory(db_engine: AsyncEngine) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Sessions on one connection, inside a transaction that they cannot commit."""
    async with db_engine.connect() as connection:
        transaction = await connection.begin()
        yield async_sessionmaker(connection, expire_on_commit=False, join_transaction_mode="create_savepoint")
        try:
            await check_constraints(connection)
        finally:
            await transaction.rollback()
