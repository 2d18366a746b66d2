"""
Delete all rows after each test, in one statement; the application commits for real.

Postgres checks foreign keys at the end of the statement, so neither order nor cycles matter. Tables with rows after
the migrations are reference data and not touched; changes in them stay. Sequences are reset. Triggers on DELETE fire,
and rows that they write into other tables may stay.

Use it when tests need real commits and write few rows.
Prior art: [DatabaseCleaner's deletion](https://sevenseacat.net/posts/2015/use-database-cleaners-deletion-strategy/),
[Respawn](https://www.jimmybogard.com/how-respawn-works/).
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import pytest_asyncio
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from bench import KEPT_CONNECTIONS, Probe, Strategy
from strategies._tables import own_connection, sequences_to_set, tables_to_empty

strategy = Strategy(
    test_loop_scope="session",
    fixture_loop_scope="session",
    hides={
        *KEPT_CONNECTIONS,
        Probe.REFERENCE_ROWS_RESTORED,
        Probe.TABLE_GONE,
        Probe.COLUMN_GONE,
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
async def delete_rows(worker_database: URL) -> AsyncIterator[Callable[[], Awaitable[object]]]:
    """Delete the rows, on a separate connection, which keeps the plan of the statement."""
    async with own_connection(worker_database) as connection:
        tables = enumerate(await tables_to_empty(connection))
        deletes = ", ".join(f"t{number} AS (DELETE FROM {name})" for number, name in tables)
        calls = ", ".join(await sequences_to_set(connection))
        yield partial(connection.exec_driver_sql, f"WITH {deletes} SELECT ARRAY[{calls}]::bigint[]")


@pytest_asyncio.fixture(loop_scope="session")
async def session_factory(
    db_engine: AsyncEngine, delete_rows: Callable[[], Awaitable[object]]
) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Sessions that commit for real, into tables that are emptied after the test."""
    yield async_sessionmaker(db_engine, expire_on_commit=False)
    await delete_rows()
