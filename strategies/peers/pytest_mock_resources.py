"""
Give each test a database that pytest-mock-resources clones from a template.

It would start a container; here it uses the server that all strategies use. The tables come from the models, so
objects that only a migration creates are missing. Its databases are always named `pytest_mock_resource_db_*`. It drops
them itself, but those of a killed process remain.

Use it when you already use it for other resources.
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

with contextlib.suppress(ModuleNotFoundError):  # so the strategy can be listed without the package
    from pytest_mock_resources import create_postgres_fixture

    pmr_engine = create_postgres_fixture(Base, async_=True)


async def begin_somewhere(url: str) -> None:
    """Start numbering databases at random, since those of a killed process keep their numbers."""
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE IF NOT EXISTS pytest_mock_resource_db (id serial)"))
        start = text(f"ALTER SEQUENCE pytest_mock_resource_db_id_seq RESTART {secrets.randbelow(2**30)}")
        await connection.execute(start)
    await engine.dispose()


@pytest.fixture(scope="session")
def pmr_postgres_config(database_url: str) -> Any:
    """The address of the server, and the database where the package keeps a table to number its databases."""
    from pytest_mock_resources import PostgresConfig

    asyncio.run(begin_somewhere(database_url))
    url = make_url(database_url)
    address = url.translate_connect_args(database="root_database")
    return PostgresConfig(**{"drivername": url.drivername, "port": 5432, **url.query, **address})


@pytest.fixture(scope="session")
def pmr_postgres_container(pmr_postgres_config: Any, metadata: MetaData) -> Iterator[Any]:
    """No container: the package would look for a server by TCP only, and start one if it listens on a unix socket."""
    from pytest_mock_resources.templates import drop_templates

    yield pmr_postgres_config
    drop_templates(pmr_postgres_config)


@pytest_asyncio.fixture
async def session_factory(
    pmr_engine: AsyncEngine, database_url: str
) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Sessions that commit for real, into the clone. The package's engine does not support a unix socket."""
    engine = create_async_engine(make_url(database_url).set(database=pmr_engine.url.database))
    yield async_sessionmaker(engine, expire_on_commit=False)
    await engine.dispose()
