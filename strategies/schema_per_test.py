"""
Create a schema for each test, selected by `search_path`, with tables from the models.

The application commits for real. Objects that only a migration creates are missing. SQL that names the schema, and
connections without the setting, do not find the tables. The schema has the same name in every test, so connections
can stay open.

Use it when you may have only one database, several workers share it, and the models define all tables.
Prior art: [Per-Test Database Isolation in Postgres](https://conroy.org/per-test-database-isolation-in-postgres).
"""

import os
from collections.abc import AsyncIterator

import pytest_asyncio
from sqlalchemy import MetaData, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.schema import CreateSchema, DropSchema

from bench import KEPT_CONNECTIONS, Probe, Strategy

strategy = Strategy(
    test_loop_scope="session",
    fixture_loop_scope="session",
    hides={
        *KEPT_CONNECTIONS,
        Probe.REFERENCE_ROWS,
        Probe.REFERENCE_ROWS_RESTORED,
        Probe.MIGRATED_OBJECTS,
        Probe.OWN_ENGINE,
    },
    core=False,
    cannot={"psycopg": "it selects the schema with server_settings, which only asyncpg accepts"},
)

SCHEMA = f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'master')}"

END_TRANSACTIONS = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = :schema"
    " AND xact_start IS NOT NULL AND pid <> pg_backend_pid()"
)


async def drop(connection: AsyncConnection) -> None:
    """Drop the schema, after ending transactions that tests left open, which would lock its tables."""
    await connection.execute(END_TRANSACTIONS, {"schema": SCHEMA})
    await connection.execute(DropSchema(SCHEMA, cascade=True, if_exists=True))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def db_engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """One engine for all tests, whose connections search the schema first, then public for extensions."""
    settings = {"search_path": f"{SCHEMA},public", "application_name": SCHEMA}
    engine = create_async_engine(database_url, connect_args={"server_settings": settings})
    yield engine
    async with engine.begin() as connection:
        await drop(connection)
    await engine.dispose()


@pytest_asyncio.fixture(loop_scope="session")
async def session_factory(db_engine: AsyncEngine, metadata: MetaData) -> async_sessionmaker[AsyncSession]:
    """Sessions that commit for real, into a schema that exists until the next test."""
    async with db_engine.begin() as connection:
        await drop(connection)
        await connection.execute(CreateSchema(SCHEMA))
        # The schema is empty, so there is nothing to check for.
        await connection.run_sync(metadata.create_all, checkfirst=False)
    return async_sessionmaker(db_engine, expire_on_commit=False)
