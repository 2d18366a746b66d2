"""
Give each test a database that pgtestdbpy clones from a migrated template.

It creates a role for the template, so the server's user must be allowed to. It cannot drop a clone while anybody is
connected to it: the test fails. After a killed process its role and template remain, and its next run fails.

Use it when your code closes every connection by the end of a test. Its clones are copies of files, which can be
slower than Postgres's default.
Prior art: [pgtestdbpy](https://github.com/leontrolski/pgtestdbpy), [pgtestdb](https://github.com/peterldowns/pgtestdb).
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
from alembic import command
from alembic.config import Config
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from bench import Peer, Probe, Strategy

strategy = Strategy(
    test_loop_scope="function",
    fixture_loop_scope="function",
    hides={
        Probe.KILLED_PROCESS,
        Probe.OPEN_CONNECTION,
        Probe.RUNNING_TASK,
        Probe.SESSION_FIXTURE,
        Probe.MODULE_FIXTURE,
        Probe.TWO_WORKERS,
    },
    core=False,
    peer=Peer("pgtestdbpy"),
)


@pytest.fixture(scope="session")
def templates(server_url: str, database_url: str, alembic_config: Config) -> Iterator[tuple[Any, Any]]:
    """What pgtestdbpy needs to clone: its role and its template exist for the session."""
    import pgtestdbpy

    admin, ours = make_url(server_url), make_url(database_url)
    name = f"{ours.database}_template"
    address = {"host": quote(admin.host or str(admin.query["host"]), safe=""), "port": admin.port or 5432}

    def migrate(_: str) -> None:
        alembic_config.set_main_option("sqlalchemy.url", _text(ours.set(database=name)).replace("%", "%%"))
        command.upgrade(alembic_config, "head")

    config = pgtestdbpy.Config(user=admin.username, password=admin.password, db_name=admin.database, **address)
    migrator = pgtestdbpy.Migrator(migrate, db_name=name, user=name, **address)
    with pgtestdbpy.templates(config, migrator):
        yield config, migrator


@pytest_asyncio.fixture
async def session_factory(
    templates: tuple[Any, Any], database_url: str
) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Sessions that commit for real, into the clone."""
    import pgtestdbpy

    with pgtestdbpy.clone(*templates) as url:
        engine = create_async_engine(make_url(database_url).set(database=make_url(url).database))
        yield async_sessionmaker(engine, expire_on_commit=False)
        await engine.dispose()


def _text(url: URL) -> str:
    return url.render_as_string(hide_password=False)
