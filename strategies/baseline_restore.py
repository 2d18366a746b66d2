"""
Restore exactly what each test changed; the application commits for real.

In a copy of the database, triggers record which tables a test writes to, and one statement restores their rows and
all sequences. A test that changes the schema costs a new copy. A transaction that a test leaves open is ended, with a
warning, unless it has only read. Needs a superuser. docs/baseline-restore.md explains the details and lists what is
not restored.

Use it when tests need real commits on several connections, at about the cost of a rollback.
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
    "session_replication_role": "replica",  # no trigger or foreign key interferes with the restored rows
    "baseline_restore.restoring": "on",  # and the restoring itself is not recorded
    "synchronous_commit": "off",  # the copy need not survive a crash
    "lock_timeout": "5s",  # then the copy is replaced, which ends every connection
    "enable_hashjoin": "off",  # for a few keys of a large table, single lookups are fastest
    "enable_mergejoin": "off",
}
"""Settings of the restoring connection. They are set once, since changing the role discards cached plans."""


def dsn(url: URL) -> str:
    """Return a URL in the form that asyncpg accepts."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


class Copy:
    """A worker's own copy of a database, and the connection that restores it."""

    def __init__(self, source_url: str, server_url: str) -> None:
        source = make_url(source_url)
        self._source, self._server_dsn = source.database, dsn(make_url(server_url))
        name = f"{self._source}_{os.environ.get('PYTEST_XDIST_WORKER', 'copy')}"
        self.url = source.set(database=name)
        self._drop = f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'
        self._restoring: asyncpg.Connection[Any] | None = None

    async def make(self) -> None:
        """Create the copy anew from the source, which no test writes to, and install the restore function."""
        self._disconnect()
        await self._administrate(self._drop, f'CREATE DATABASE "{self.url.database}" TEMPLATE "{self._source}"')
        self._restoring = await asyncpg.connect(dsn(self.url), server_settings=SETTINGS)
        await self._restoring.execute(INSTALL)

    async def restore(self) -> tuple[bool, str | None]:
        """Restore what was changed; return whether that was possible, and a warning for the user."""
        assert self._restoring is not None  # noqa: S101 - make() was called before
        try:
            restored, ended = await self._restoring.fetchrow("SELECT * FROM baseline_restore.restore()") or (
                False,
                None,
            )
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            return False, f"the database is copied anew, since restoring it failed: {error}"
        return restored, ended and f"a test left a transaction open, which was ended: {ended}"

    async def drop(self) -> None:
        """Drop the copy, and disconnect everybody from it."""
        self._disconnect()
        await self._administrate(self._drop)

    def _disconnect(self) -> None:
        if self._restoring is not None:
            self._restoring.terminate()

    async def _administrate(self, *statements: str) -> None:
        connection = await asyncpg.connect(self._server_dsn)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def copy(migrated_database_url: str, server_url: str) -> AsyncIterator[Copy]:
    """One copy for all tests; one that an earlier process left behind is replaced."""
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
    """Sessions that commit for real, into a copy that is restored after the test."""
    yield async_sessionmaker(db_engine, expire_on_commit=False)
    restored, warning = await copy.restore()
    if not restored:
        await db_engine.dispose()
        await copy.make()
    if warning:
        warnings.warn(warning, stacklevel=1)
