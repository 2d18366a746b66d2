"""For strategies that empty tables: which tables and sequences to reset, and a separate connection to do it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

# Partitions are emptied with their parent; tables of an extension do not belong to the application.
TABLES = """
    SELECT pg_class.oid::regclass::text
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND relkind IN ('r', 'p') AND NOT relispartition
        AND NOT EXISTS (
            SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e'
        )
"""

RESTARTS = """
    SELECT format('setval(%L, %s, %L)', format('%I.%I', schemaname, sequencename),
                  coalesce(last_value, start_value), last_value IS NOT NULL)
    FROM pg_sequences
"""


@asynccontextmanager
async def own_connection(url: URL, **settings: str) -> AsyncIterator[AsyncConnection]:
    """Open a connection that commits each statement, and fails instead of hanging when it does not get a lock."""
    # Statements without parameters are sent unchanged: psycopg would take percent signs for parameters.
    engine = create_async_engine(
        url, isolation_level="AUTOCOMMIT", poolclass=NullPool, execution_options={"no_parameters": True}
    )
    async with engine.connect() as connection:
        for name, value in {"lock_timeout": "5s", **settings}.items():
            await connection.exec_driver_sql(f"SET {name} = '{value}'")
        yield connection


async def tables_to_empty(connection: AsyncConnection) -> list[str]:
    """Return the quoted names of the empty tables. Right after the migrations, all others hold reference data."""
    names = (await connection.exec_driver_sql(TABLES)).scalars().all()
    looks = {name: await connection.exec_driver_sql(f"SELECT EXISTS (SELECT FROM {name})") for name in names}
    return [name for name, look in looks.items() if not look.scalar()]


async def sequences_to_set(connection: AsyncConnection) -> list[str]:
    """Return, for each sequence, the call that resets it to its present value."""
    return list((await connection.exec_driver_sql(RESTARTS)).scalars())
