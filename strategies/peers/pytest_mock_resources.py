"""
A database for each test, cloned from a template by pytest-mock-resources.

It comes with a container of its own, in whose place it gets the server that all strategies use. The tables come from
the models, so what only a migration makes is missing. Its databases are named `pytest_mock_resource_db_*` whatever
one says; it drops them itself, but those of a process that was killed stay.

Use it when you use it for other resources already.
Prior art: [pytest-mock-resources](https://github.com/schireson/pytest-mock-resources/blob/main/docs/source/async.rst).
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import MetaData, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from bench import Peer, Probe, Strategy
from bench.app.models import Base

pytest_plugins = ["pytest_mock_resources"]

strategy = Strategy(
    test_loop_scope="function",
    fixture_loop_scope="function",
    hides={
        Probe.REFERENCE_ROWS,
        Probe.REFERENCE_ROWS_RESTORED,
        Probe.MIGRATED_OBJECTS,
        Probe.SESSION_FIXTURE,
        Probe.MODULE_FIXTURE,
    },
    core=False,
    peer=Peer("pytest-mock-resources"),
)

with contextlib.suppress(ModuleNotFoundError):  # so that the strategy can be listed where the package is missing
    from pytest_mock_resources import create_postgres_fixture

    pmr_engine = create_postgres_fixture(Base, async_=True)


async def begin_somewhere(url: str) -> None:
    """Let the numbers begin at random: databases of a process that was killed have theirs."""
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE IF NOT EXISTS pytest_mock_resource_db (id serial)"))
        start = text(f"ALTER SEQUENCE pytest_mock_resource_db_id_seq RESTART {secrets.randbelow(2**30)}")
        await connection.execute(start)
    await engine.dispose()


@pytest.fixture(scope="session")
def pmr_postgres_config(database_url: str) -> Any:
    """Where the server is, and the database in which the package keeps a table that numbers its own."""
    from pytest_mock_resources import PostgresConfig

    asyncio.run(begin_somewhere(database_url))
    url = make_url(database_url)
    address = url.translate_connect_args(database="root_database")
    return PostgresConfig(**{"drivername": url.drivername, "port": 5432, **url.query, **address})


@pytest.fixture(scope="session")
def pmr_postgres_container(pmr_postgres_config: Any, metadata: MetaData) -> Iterator[Any]:
    """No container: the package looks for a server by TCP, and starts one where there is but a unix socket."""
    from pytest_mock_resources.templates import drop_templates

    yield pmr_postgres_config
    drop_templates(pmr_postgres_config)


@pytest_asyncio.fixture
async def session_factory(
    pmr_engine: AsyncEngine, database_url: str
) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Sessions that commit for real, into the clone; the URL of the package's engine cannot hold a unix socket."""
    engine = create_async_engine(make_url(database_url).set(database=pmr_engine.url.database))
    yield async_sessionmaker(engine, expire_on_commit=False)
    await engine.dispose()
