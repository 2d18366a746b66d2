"""
Truncate only the tables that a test wrote to; the application commits for real.

One statement finds them: they have rows, or one of their sequences was used, even for rows that were rolled back or
deleted. Otherwise it works like `truncate_all`: reference data, sequences that no table owns, and locks.

Use it when tests need real commits, the schema is large, and each test writes to few tables.
Prior art: [database_rewinder](https://github.com/amatsuda/database_rewinder),
[Respawn](https://www.jimmybogard.com/how-respawn-works/).
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

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
)

pytest_plugins = ["strategies._databases"]

LOOKS = text("""
    SELECT format('SELECT %L WHERE EXISTS (SELECT FROM %s)', name, name)
        || coalesce(string_agg(' OR (SELECT is_called FROM ' || seqrelid::regclass || ')', ''), '')
    FROM unnest(CAST(:tables AS text[])) AS name
    LEFT JOIN (pg_sequence JOIN pg_depend ON objid = seqrelid AND deptype IN ('a', 'i')) ON refobjid = name::regclass
    GROUP BY name
""")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def db_engine(worker_database: URL) -> AsyncIterator[AsyncEngine]:
    """One engine for all tests."""
    engine = create_async_engine(worker_database)
    yield engine
    await engine.dispose()


async def truncate(connection: AsyncConnection, look: str) -> None:
    """Truncate the tables that the query finds."""
    if dirty := (await connection.exec_driver_sql(look)).scalars().all():
        await connection.exec_driver_sql(f"TRUNCATE {', '.join(dirty)} RESTART IDENTITY CASCADE")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def truncate_dirty(worker_database: URL) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Truncate the tables that were written to, on a separate connection, which keeps the plan of the query."""
    async with own_connection(worker_database) as connection:
        looks = await connection.scalars(LOOKS, {"tables": await tables_to_empty(connection)})
        yield partial(truncate, connection, " UNION ALL ".join(looks))


@pytest_asyncio.fixture(loop_scope="session")
async def session_factory(
    db_engine: AsyncEngine, truncate_dirty: Callable[[], Awaitable[None]]
) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Sessions that commit for real; tables that a test wrote to are truncated after it."""
    yield async_sessionmaker(db_engine, expire_on_commit=False)
    await truncate_dirty()
