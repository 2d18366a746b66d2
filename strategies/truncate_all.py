"""
Truncate all tables after each test; the application commits for real.

Identity columns restart; a sequence that no table owns does not. Every table and index gets a new file, even an empty
one. Tables with rows after the migrations are kept, but CASCADE empties those that refer to a truncated table.
TRUNCATE waits for every transaction that has read a table, so a connection left in a transaction causes an error.

Use it when tests need real commits and write many rows into few tables.
Prior art: [DatabaseCleaner](https://github.com/DatabaseCleaner/database_cleaner),
[why it is slow](https://stackoverflow.com/questions/11419536/postgresql-truncation-speed/11423886).
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import pytest_asyncio
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from bench import KEPT_CONNECTIONS, Probe, Strategy
from strategies._tables import own_connection, tables_to_empty

strategy = Strategy(
    test_loop_scope="session",
    fixture_loop_scope="session",
    hides={
        *KEPT_CONNECTIONS,
        Probe.SEQUENCES_RESTART,
        Probe.REFERENCE_ROWS_RESTORED,
        Probe.TABLE_GONE,
        Probe.COLUMN_GONE,
        Probe.OPEN_CONNECTION,
        Probe.RUNNING_TASK,
    },
    core=False,
)

pytest_plugins = ["strategies._databases"]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def db_engine(worker_database: URL) -> AsyncIterator[AsyncEngine]:
    """One engine for all tests."""
    engine = create_async_engine(worker_database)
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def truncate_tables(worker_database: URL) -> AsyncIterator[Callable[[], Awaitable[object]]]:
    """Truncate the tables, on a separate connection."""
    async with own_connection(worker_database) as connection:
        tables = ", ".join(await tables_to_empty(connection))
        yield partial(connection.exec_driver_sql, f"TRUNCATE {tables} RESTART IDENTITY CASCADE")


@pytest_asyncio.fixture(loop_scope="session")
async def session_factory(
    db_engine: AsyncEngine, truncate_tables: Callable[[], Awaitable[object]]
) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Sessions that commit for real, into tables that are truncated after the test."""
    yield async_sessionmaker(db_engine, expire_on_commit=False)
    await truncate_tables()
