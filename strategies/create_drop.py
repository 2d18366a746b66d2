"""
Create all tables before each test and drop them after it.

The application commits for real. The tables come from the models, so objects that only a migration creates are missing.

Use it when tests need real commits that other connections see, and the models define the whole schema, which is small.
Prior art: [FastAPI and async SQLAlchemy 2.0 with pytest done
right](https://praciano.com.br/fastapi-and-async-sqlalchemy-20-with-pytest-done-right.html),
[SQLAlchemy #5626](https://github.com/sqlalchemy/sqlalchemy/issues/5626).
"""

from collections.abc import AsyncIterator

import pytest_asyncio
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from bench import KEPT_CONNECTIONS, Probe, Strategy

strategy = Strategy(
    test_loop_scope="session",
    fixture_loop_scope="session",
    hides={
        *KEPT_CONNECTIONS,
        Probe.REFERENCE_ROWS,
        Probe.REFERENCE_ROWS_RESTORED,
        Probe.MIGRATED_OBJECTS,
        Probe.TABLE_GONE,
        Probe.KILLED_PROCESS,
        Probe.OPEN_CONNECTION,
        Probe.RUNNING_TASK,
        Probe.TWO_WORKERS,
    },
)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def db_engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """One engine for all tests."""
    engine = create_async_engine(database_url)
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture(loop_scope="session")
async def session_factory(
    db_engine: AsyncEngine, metadata: MetaData
) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Sessions that commit for real, into tables that exist for one test."""
    async with db_engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield async_sessionmaker(db_engine, expire_on_commit=False)
    async with db_engine.begin() as connection:
        await connection.run_sync(metadata.drop_all)
