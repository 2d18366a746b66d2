"""
The fixtures of bench/worker/fixtures.py, written for a project without the harness.

`python -m bench adopt` copies from this file what a strategy needs, and writes `your_app` for `bench.app`. It is a
module, not a template, so that the linters check it.
"""

import os
import secrets
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from httpx import ASGITransport, AsyncClient
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import NullPool

from bench.app.database import get_session
from bench.app.main import app
from bench.app.models import Base

# EDIT: a server where tests may create databases. The database in this URL itself is neither read nor changed.
DSN = os.environ.get("TEST_DSN", "postgresql://postgres:postgres@localhost:5432/postgres")


@pytest.fixture(scope="session")
def server_url() -> str:
    """URL of the database to connect to while creating and dropping others."""
    return make_url(DSN).set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def database_url(server_url: str) -> AsyncIterator[str]:
    """URL of a new, empty database for this process; dropped at the end with all whose names start with its name."""
    name = f"test_{secrets.token_hex(4)}_{os.environ.get('PYTEST_XDIST_WORKER', 'master')}"
    server = create_async_engine(server_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    async with server.connect() as connection:
        await connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    async with server.connect() as connection:
        made = text("SELECT quote_ident(datname) FROM pg_database WHERE starts_with(datname, :name)")
        for database in (await connection.scalars(made, {"name": name})).all():
            await connection.exec_driver_sql(f"DROP DATABASE {database} WITH (FORCE)")


@pytest.fixture(scope="session")
def metadata() -> MetaData:
    """All tables of the schema."""
    return Base.metadata


@pytest.fixture(scope="session")
def migrate() -> Callable[[Connection], None]:
    """Create the schema on an open connection: `await connection.run_sync(migrate)`."""
    # EDIT: if Alembic creates your schema, import `command` and `config` from alembic, and return this lambda instead.
    # Your env.py must use config.attributes["connection"]: see "Sharing a Connection" in Alembic's cookbook.
    # lambda connection: command.upgrade(config.Config("alembic.ini", attributes={"connection": connection}), "head")
    return Base.metadata.create_all


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def migrated_database_url(database_url: str, migrate: Callable[[Connection], None]) -> str:
    """`database_url`, with the schema created."""
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()
    return database_url


@pytest_asyncio.fixture
async def db_session(session_factory: async_sessionmaker[AsyncSession]) -> AsyncIterator[AsyncSession]:
    """A session, in the test's event loop."""
    async with session_factory() as session:
        yield session


@pytest_asyncio.fixture
async def client(session_factory: async_sessionmaker[AsyncSession]) -> AsyncIterator[AsyncClient]:
    """An HTTP client that calls the application in the test's event loop; each request gets its own session."""

    async def get_test_session() -> AsyncIterator[AsyncSession]:
        async with session_factory() as session:
            yield session

    app.dependency_overrides[get_session] = get_test_session
    async with AsyncClient(transport=ASGITransport(app=app), base_url="http://test") as client:
        yield client
    del app.dependency_overrides[get_session]
