"""
A database per test, copied from a migrated template with STRATEGY = wal_log.

Postgres reads the template page by page and logs every page of the copy; only to drop one it makes a checkpoint. A
copy has the name of the one before it, so that the engine stays and opens its connections anew. From Postgres 15 on.

Use it when tests need all that a database is, DDL and commits included, and the migrated template is small.
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
    """Replace the copy by a new one."""
    await replace(server, str(copy.database), str(template.database), "STRATEGY = wal_log")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def db_engine(server: AsyncEngine, worker_database: URL) -> AsyncIterator[AsyncEngine]:
    """One engine for all tests, on a copy that is there from the start, for fixtures of a wider scope."""
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
    """Sessions that commit for real, in a copy that the next test's replaces."""
    # Postgres waits a tenth of a second for connections that it has to end.
    await db_engine.dispose()
    await renew(server, db_engine.url, worker_database)
    return async_sessionmaker(db_engine, expire_on_commit=False)
