"""
Copy a migrated template database for each test, with STRATEGY = wal_log.

Postgres reads the template page by page and writes every page of the copy to the WAL; only dropping a copy needs a
checkpoint. Every copy has the same name, so the engine stays and opens new connections. Needs Postgres 15 or later.

Use it when tests need a complete database, with DDL and commits, and the migrated template is small.
Prior art: [CREATE DATABASE](https://www.postgresql.org/docs/current/sql-createdatabase.html),
[pytest-postgresql](https://github.com/dbfixtures/pytest-postgresql).
"""

from collections.abc import AsyncIterator

import pytest_asyncio
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from bench import Strategy
from strategies._databases import drop, replace

strategy = Strategy(test_loop_scope="session", fixture_loop_scope="session")

pytest_plugins = ["strategies._databases"]


async def renew(server: AsyncEngine, copy: URL, template: URL) -> None:
    """Replace the copy with a new one."""
    await replace(server, str(copy.database), str(template.database), "STRATEGY = wal_log")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def db_engine(server: AsyncEngine, worker_database: URL) -> AsyncIterator[AsyncEngine]:
    """One engine for all tests. Its copy exists from the start, for fixtures with a wider scope."""
    copy = worker_database.set(database=f"{worker_database.database}_copy")
    await renew(server, copy, worker_database)
    engine = create_async_engine(copy)
    yield engine
    await engine.dispose()
    await drop(server, str(copy.database))


@pytest_asyncio.fixture(loop_scope="session")
async def session_factory(
    server: AsyncEngine, worker_database: URL, db_engine: AsyncEngine
) -> async_sessionmaker[AsyncSession]:
    """Sessions that commit for real, into a copy that the next test replaces."""
    # Without this, Postgres would wait a tenth of a second to end the open connections.
    await db_engine.dispose()
    await renew(server, db_engine.url, worker_database)
    return async_sessionmaker(db_engine, expire_on_commit=False)
