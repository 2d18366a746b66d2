"""
Migrate up to head before each test and down to base after it.

The application commits for real, and objects that only a migration creates exist. Every downgrade must undo its
upgrade. The cost grows with the number of migrations.

Use it when tests need real commits and objects that only migrations create (triggers, reference rows), and are few.
Prior art: [Function-level database migrations with SQLAlchemy, Alembic, and
pytest](https://www.scien.cx/2025/08/06/function-level-database-migrations-with-sqlalchemy-alembic-and-pytest),
[Alembic](https://alembic.sqlalchemy.org/en/latest/cookbook.html#sharing-a-connection-across-one-or-more-programmatic-migration-commands).
"""

from collections.abc import AsyncIterator, Callable

import pytest_asyncio
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from bench import KEPT_CONNECTIONS, Probe, Strategy

strategy = Strategy(
    test_loop_scope="session",
    fixture_loop_scope="session",
    hides={
        *KEPT_CONNECTIONS,
        Probe.TABLE_GONE,
        Probe.KILLED_PROCESS,
        Probe.OPEN_CONNECTION,
        Probe.RUNNING_TASK,
        Probe.TWO_WORKERS,
    },
    core=False,
)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def db_engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """One engine for all tests."""
    engine = create_async_engine(database_url)
    yield engine
    await engine.dispose()


def downgrade(connection: Connection, config: Config) -> None:
    """Run `alembic downgrade base` on an open connection."""
    config.attributes["connection"] = connection
    command.downgrade(config, "base")


@pytest_asyncio.fixture(loop_scope="session")
async def session_factory(
    db_engine: AsyncEngine, migrate: Callable[[Connection], None], alembic_config: Config
) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Sessions that commit for real, into tables that exist for one test."""
    async with db_engine.begin() as connection:
        await connection.run_sync(migrate)
    yield async_sessionmaker(db_engine, expire_on_commit=False)
    async with db_engine.begin() as connection:
        await connection.run_sync(downgrade, alembic_config)
