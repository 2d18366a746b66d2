"""
Copy a migrated template database for each test, with STRATEGY = file_copy.

Postgres copies the template's files between two checkpoints and writes little WAL; dropping a copy needs another one.
Every copy has the same name, so the engine stays and opens new connections. Needs Postgres 15 or later; from 18 on,
`file_copy_method = clone` lets files share blocks if the file system can (Btrfs, XFS, APFS).

Use it when tests need a complete database, and the migrated template is large or the file system can clone files.
Prior art: [CREATE DATABASE](https://www.postgresql.org/docs/current/sql-createdatabase.html),
[cloning](https://www.postgresql.org/docs/current/runtime-config-resource.html#GUC-FILE-COPY-METHOD).
"""

from collections.abc import AsyncIterator

import pytest_asyncio
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from bench import Strategy
from strategies._databases import drop, replace

strategy = Strategy(test_loop_scope="session", fixture_loop_scope="session", core=False)

pytest_plugins = ["strategies._databases"]

# If Postgres lacks the setting or the system cannot clone, this finds no row and sets nothing.
CLONE = """
    SELECT set_config(name, 'clone', false) FROM pg_settings
    WHERE name = 'file_copy_method' AND 'clone' = ANY (enumvals)
"""


async def renew(server: AsyncEngine, copy: URL, template: URL) -> None:
    """Replace the copy with a new one."""
    await replace(server, str(copy.database), str(template.database), "STRATEGY = file_copy")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def db_engine(server: AsyncEngine, worker_database: URL) -> AsyncIterator[AsyncEngine]:
    """One engine for all tests. Its copy exists from the start, for fixtures with a wider scope."""
    copy = worker_database.set(database=f"{worker_database.database}_copy")
    async with server.connect() as connection:  # the pool keeps this one, since the engine never needs two at once
        await connection.exec_driver_sql(CLONE)
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
