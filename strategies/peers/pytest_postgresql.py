"""
Give each test a clone of a migrated database, by pytest-postgresql's `DatabaseJanitor`.

The janitor disconnects everybody from the template and the clone, so connections that a test leaves open do no harm.
The package's own fixtures provide psycopg connections; the engine, with asyncpg, is ours.

Use it when your suite needs real commits, and a clone per test is worth its cost.
Prior art: [pytest-postgresql](https://github.com/dbfixtures/pytest-postgresql),
[its janitor in PyPI's own suite](https://github.com/pypi/warehouse/blob/main/tests/conftest.py).
"""

import os
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from bench import Peer, Probe, Strategy

strategy = Strategy(
    test_loop_scope="function",
    fixture_loop_scope="function",
    hides={
        Probe.KILLED_PROCESS,
        Probe.SESSION_FIXTURE,
        Probe.MODULE_FIXTURE,
    },
    core=False,
    peer=Peer("pytest-postgresql"),
)


@pytest.fixture
def clone_url(migrated_database_url: str, server_url: str) -> Iterator[URL]:
    """The URL of a database that exists for one test."""
    from pytest_postgresql.janitor import DatabaseJanitor

    template = make_url(migrated_database_url)
    # Each worker of pytest-xdist has its own name, as in the package's own fixtures.
    clone = template.set(database=f"{template.database}_clone{os.environ.get('PYTEST_XDIST_WORKER', '')}")
    with DatabaseJanitor(
        user=template.username,
        password=template.password,
        host=template.host or template.query["host"],
        port=template.port or 5432,
        dbname=clone.database,
        template_dbname=template.database,
        maintenance_dbname=make_url(server_url).database,
    ):
        yield clone


@pytest_asyncio.fixture
async def session_factory(clone_url: URL) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Sessions that commit for real, into the clone."""
    engine = create_async_engine(clone_url)
    yield async_sessionmaker(engine, expire_on_commit=False)
    await engine.dispose()
