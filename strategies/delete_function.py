"""
Delete all rows after each test with a server-side function; commits are real.

The function is created once per run and keeps its query plans. On its connection no triggers fire, not even those of
foreign keys, so order does not matter; that needs a superuser, or the right to SET session_replication_role. Tables
with rows after the migrations are not touched; sequences are reset.

Use it when tests need real commits, the schema is large, and triggers on DELETE must not fire.
Prior art: [database_rewinder](https://github.com/amatsuda/database_rewinder),
[session_replication_role](https://www.postgresql.org/docs/current/runtime-config-client.html).
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
    """Call the function."""
    async with own_connection(worker_database, session_replication_role="replica") as connection:
        deletes = [f"DELETE FROM {name};" for name in await tables_to_empty(connection)]
        calls = [f"PERFORM {call};" for call in await sequences_to_set(connection)]
        body = f"$$ BEGIN {' '.join([*deletes, *calls])} END $$"
        await connection.exec_driver_sql(
            f"CREATE FUNCTION pg_temp.delete_rows() RETURNS void LANGUAGE plpgsql AS {body}"
        )
        yield partial(connection.exec_driver_sql, "SELECT pg_temp.delete_rows()")


@pytest_asyncio.fixture(loop_scope="session")
async def session_factory(
    db_engine: AsyncEngine, delete_rows: Callable[[], Awaitable[object]]
) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Sessions that commit for real, into tables that are emptied after the test."""
    yield async_sessionmaker(db_engine, expire_on_commit=False)
    await delete_rows()
