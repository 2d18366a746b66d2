"""
The control: new connections that commit for real, to a database that is copied anew for each test.

Every probe must pass here; one that fails is broken. The database always has a row. This is not in `strategies/`,
since it ignores cost: each session opens a connection, and each test gets a copy.
"""

import os
from collections.abc import AsyncIterator

import asyncpg
import pytest_asyncio
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import NullPool

from bench import Strategy
from bench.worker.protocol import ADMIN_DSN

strategy = Strategy(test_loop_scope="function", fixture_loop_scope="function")


async def copy(template: str | None) -> str:
    """Replace this worker's copy of a database with a fresh one, and return its name."""
    name = f"{template}_{os.environ.get('PYTEST_XDIST_WORKER', 'copy')}"
    connection = await asyncpg.connect(os.environ[ADMIN_DSN])
    await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    await connection.close()
    return name


async def leave_a_row(dsn: str) -> None:
    """Insert a row into the template, so that no probe can rely on an empty database."""
    connection = await asyncpg.connect(dsn)
    await connection.execute("INSERT INTO customers (email, name) VALUES ('first', 'Eve') ON CONFLICT DO NOTHING")
    await connection.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def db_engine(migrated_database_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine that keeps no connections, so every event loop can use it."""
    url = make_url(migrated_database_url)
    await leave_a_row(url.set(drivername="postgresql").render_as_string(hide_password=False))
    engine = create_async_engine(url.set(database=await copy(url.database)), poolclass=NullPool)
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture
async def session_factory(
    migrated_database_url: str, db_engine: AsyncEngine
) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Sessions that commit for real."""
    await copy(make_url(migrated_database_url).database)
    yield async_sessionmaker(db_engine, expire_on_commit=False)
