"""
Delete all rows before each test, in an order that pyspawn derives from the foreign keys.

The application commits for real. Tables with reference rows are listed, and keep them. Identity columns restart;
other sequences do not. It needs a psycopg connection beside the engine. pyspawn is a port of Respawn for .NET.

Use it when some tables must keep their rows, and you do not want to list the order in which to empty the others.
Prior art: [pyspawn](https://github.com/Tsanton/pyspawn), [Respawn](https://github.com/jbogard/Respawn).
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from bench import KEPT_CONNECTIONS, Peer, Probe, Strategy

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
        Probe.TWO_WORKERS,
    },
    core=False,
    peer=Peer("pyspawn"),
)

KEPT = ["alembic_version", "countries"]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def db_engine(migrated_database_url: str) -> AsyncIterator[AsyncEngine]:
    """One engine for all tests."""
    engine = create_async_engine(migrated_database_url)
    yield engine
    await engine.dispose()


@pytest.fixture(scope="session")
def connection(migrated_database_url: str) -> Iterator[Any]:
    """The connection that pyspawn uses."""
    import psycopg

    url = make_url(migrated_database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def checkpoint() -> Any:
    """The statements that delete, prepared once."""
    from pyspawn import Checkpoint
    from pyspawn.adapters import PgAdapter

    return Checkpoint(tables_to_ignore=KEPT, reseed_identity=True, db_adapter=PgAdapter())


@pytest.fixture
def session_factory(db_engine: AsyncEngine, connection: Any, checkpoint: Any) -> async_sessionmaker[AsyncSession]:
    """Sessions that commit for real, into tables that were just emptied."""
    checkpoint.reset(connection)
    return async_sessionmaker(db_engine, expire_on_commit=False)
