"""
Creates and drops databases, for strategies that have their own; a migrated database for each worker.

Strategies both import this module and load it as a plugin, about which pytest would warn: PYTEST_DONT_REWRITE.
"""

import os
from collections.abc import AsyncIterator, Callable

import pytest_asyncio
from sqlalchemy import Connection
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "master")


async def drop(server: AsyncEngine, database: str) -> None:
    """Drop a database, and disconnect everybody from it."""
    quote = server.dialect.identifier_preparer.quote_identifier
    async with server.connect() as connection:
        await connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {quote(database)} WITH (FORCE)")


async def replace(server: AsyncEngine, database: str, template: str, options: str = "") -> None:
    """Replace a database with a copy of another one, to which nobody may be connected."""
    await drop(server, database)
    quote = server.dialect.identifier_preparer.quote_identifier
    async with server.connect() as connection:
        await connection.exec_driver_sql(f"CREATE DATABASE {quote(database)} TEMPLATE {quote(template)} {options}")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(server_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine on the maintenance database, for statements that cannot run inside a transaction."""
    engine = create_async_engine(server_url, isolation_level="AUTOCOMMIT")
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def worker_database(
    server: AsyncEngine, database_url: str, migrate: Callable[[Connection], None]
) -> AsyncIterator[URL]:
    """A new, migrated database. Each worker of pytest-xdist has its own, so none waits for another."""
    url = make_url(database_url)
    url = url.set(database=f"{url.database}_{WORKER}")
    await replace(server, str(url.database), "template1")
    engine = create_async_engine(url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(migrate)
        await engine.dispose()
        yield url
    finally:
        await drop(server, str(url.database))
