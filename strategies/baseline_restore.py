"""
Put back exactly what each test touched; the application commits for real.

In a copy of the database triggers note which tables a test writes to, and one statement restores their rows and all
sequences; a test that changes the schema costs a new copy. A transaction that a test leaves open is ended, with a
warning. It needs a superuser; docs/baseline-restore.md says how it works, and what it never puts back.

Use it when commits must be real, on several connections, and a test must not cost more than a rollback.
Prior art: [pytest-clean-database](https://github.com/Klavionik/pytest-clean-database),
[touched tables](https://carbonhealth.com/blog-post/cleaning-postgresql-db-between-integration-tests-efficiently).
"""

import os
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest_asyncio
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from bench import KEPT_CONNECTIONS, Strategy

strategy = Strategy(
    test_loop_scope="session",
    fixture_loop_scope="session",
    hides=KEPT_CONNECTIONS,
)

INSTALL = Path(__file__).with_name("_baseline.sql").read_text(encoding="utf-8")

SETTINGS = {
    "session_replication_role": "replica",  # neither triggers nor foreign keys meddle with what is put back
    "baseline_restore.restoring": "on",  # and this is not noted
    "synchronous_commit": "off",  # the copy never has to outlast a crash
    "lock_timeout": "5s",  # then a new copy, for which every connection is ended
    "enable_hashjoin": "off",  # a few keys of a large table are best looked up one by one
    "enable_mergejoin": "off",
}
"""Of the connection that restores. Set once, since a change of the role makes Postgres forget its plans."""


def dsn(url: URL) -> str:
    """Return a URL as asyncpg takes it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


class Copy:
    """A worker's own copy of a database, and the connection that restores it."""

    def __init__(self, source_url: str, server_url: str) -> None:
        source = make_url(source_url)
        self._source, self._server_dsn = source.database, dsn(make_url(server_url))
        name = f"{self._source}_{os.environ.get('PYTEST_XDIST_WORKER', 'copy')}"
        self.url = source.set(database=name)
        self._restoring: asyncpg.Connection[Any] | None = None

    async def make(self) -> None:
        """Make it anew from the source, which no test writes to, and install what restores it."""
        await self.drop()
        await self._administrate(f'CREATE DATABASE "{self.url.database}" TEMPLATE "{self._source}"')
        self._restoring = await asyncpg.connect(dsn(self.url), server_settings=SETTINGS)
        await self._restoring.execute(INSTALL)

    async def restore(self) -> tuple[bool, str | None]:
        """Put back what was touched; return whether that was possible, and what the user should know."""
        assert self._restoring is not None  # noqa: S101 - it has been made
        try:
            restored, ended = await self._restoring.fetchrow("SELECT * FROM baseline_restore.restore()") or (
                False,
                None,
            )
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            return False, f"the database is copied anew, since restoring it failed: {error}"
        return restored, ended and f"a test left a transaction open, which was ended: {ended}"

    async def drop(self) -> None:
        """Drop it, whoever is connected."""
        if self._restoring is not None:
            self._restoring.terminate()
        await self._administrate(f'DROP DATABASE IF EXISTS "{self.url.database}" WITH (FORCE)')

    async def _administrate(self, statement: str) -> None:
        connection = await asyncpg.connect(self._server_dsn)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def copy(migrated_database_url: str, server_url: str) -> AsyncIterator[Copy]:
    """One copy for all tests, made anew whatever an earlier process left."""
    copy = Copy(migrated_database_url, server_url)
    await copy.make()
    yield copy
    await copy.drop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def db_engine(copy: Copy) -> AsyncIterator[AsyncEngine]:
    """One engine for all tests."""
    engine = create_async_engine(copy.url)
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture(loop_scope="session")
async def session_factory(db_engine: AsyncEngine, copy: Copy) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Sessions that commit for real, into a copy that is restored afterwards."""
    yield async_sessionmaker(db_engine, expire_on_commit=False)
    restored, warning = await copy.restore()
    if not restored:
        await db_engine.dispose()
        await copy.make()
    if warning:
        warnings.warn(warning, stacklevel=1)
