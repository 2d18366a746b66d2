"""
The pytest plugin of every measured process: the fixtures for strategies and tests, and the checks of the contract.

A strategy turns `database_url` or `migrated_database_url` into `session_factory`. The tests use `db_session` and
`client`, which are derived from it here unless the strategy provides its own. Nothing here measures.
"""

import asyncio
import functools
import inspect
import os
import shlex
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from types import ModuleType
from typing import Any

import pytest
import pytest_asyncio
from alembic import command
from alembic.config import Config as AlembicConfig
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from sqlalchemy import Connection, MetaData
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from bench.app import TABLES
from bench.app.ballast import Ballast, add_tables
from bench.app.database import get_session, get_session_factory
from bench.app.main import app
from bench.app.models import Base
from bench.results.paths import ROOT
from bench.strategy.declaration import Strategy
from bench.strategy.discovery import plugins_of
from bench.strategy.loaded import arguments_for_pytest, loop_scope_options
from bench.worker.protocol import ADMIN_DSN, DATABASE_URL, LOOP, ContractBrokenError

_STRATEGY_MODULE = pytest.StashKey[ModuleType]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--tables` and `--rows`."""
    group = parser.getgroup("looptrap")
    group.addoption("--tables", type=int, default=TABLES, help="number of tables, the application's five included")
    group.addoption("--rows", type=int, default=0, help="number of additional reference rows")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Install the requested event loop, find the strategy, and check that pytest runs with its loop scopes."""
    if os.environ.get(LOOP) == "uvloop":
        _use_uvloop(config)
    modules = [
        plugin
        for plugin in config.pluginmanager.get_plugins()
        if isinstance(plugin, ModuleType) and isinstance(getattr(plugin, "strategy", None), Strategy)
    ]
    if not modules:
        return
    if len(modules) > 1:
        names = " and ".join(sorted(module.__name__ for module in modules))
        raise ContractBrokenError(f"only one strategy can be loaded at a time, not {names}.")
    module = config.stash[_STRATEGY_MODULE] = modules[0]
    arguments = arguments_for_pytest(module.__name__, plugins_of(module), module.strategy)
    command = shlex.join(["python", "-m", "pytest", *arguments, "bench/workload"])
    # Under anyio the declaration has no effect: a loop lives as long as its fixtures and tests.
    scopes = {} if config.pluginmanager.hasplugin("anyio") else loop_scope_options(module.strategy)
    for option, value in scopes.items():
        given = config.getini(option)
        if given != value:
            raise ContractBrokenError(
                f"{module.__name__} declares {option}={value}, but pytest runs with {given}. Run: {command}"
            )


def _use_uvloop(config: pytest.Config) -> None:
    """Have tests and async fixtures run in uvloop; anyio is told by its fixture `anyio_backend`."""
    import uvloop  # noqa: PLC0415 - not available on every platform

    if hasattr(config.hook, "pytest_asyncio_loop_factories"):
        config.pluginmanager.register(_LoopFactories({"uvloop": uvloop.new_event_loop}))
    elif config.pluginmanager.hasplugin("asyncio"):
        # pytest-asyncio before 1.4 has no other way. Policies leave Python in 3.16.
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


class _LoopFactories:
    """A plugin that tells pytest-asyncio 1.4 or later which event loops to run tests in."""

    def __init__(self, factories: Mapping[str, Callable[[], asyncio.AbstractEventLoop]]) -> None:
        self._factories = factories

    def pytest_asyncio_loop_factories(self) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
        """Return the factories by name; every test runs once with each."""
        return self._factories


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, obj: object) -> None:
    """Mark async tests for anyio if that plugin is active; its fixture `anyio_backend` is below."""
    if collector.config.pluginmanager.hasplugin("anyio") and inspect.iscoroutinefunction(obj):
        pytest.mark.anyio(obj)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Check that nothing overrides the strategy's fixtures, and that `session_factory` returns a usable one."""
    module = request.config.stash.get(_STRATEGY_MODULE, None)
    if module is not None and fixturedef.argname in _fixtures_to_check(module):
        _check_origin(module, fixturedef)
    value = yield
    if module is not None and fixturedef.argname == "session_factory":
        _check_session_factory(module, value)
    return value


@functools.cache
def _fixtures_to_check(module: ModuleType) -> frozenset[str]:
    return frozenset({"session_factory", "db_session", "client"} & vars(module).keys())


def _check_origin(module: ModuleType, fixturedef: pytest.FixtureDef[Any]) -> None:
    own: Callable[..., object] = inspect.unwrap(vars(module)[fixturedef.argname])
    used = inspect.unwrap(fixturedef.func)
    if used is not own:
        raise ContractBrokenError(
            f"the fixture {fixturedef.argname} of {module.__name__} is not used: {used.__module__} overrides it. "
            "Rename that one, or put -p bench.worker.fixtures before the strategy."
        )


def _check_session_factory(module: ModuleType, value: object) -> None:
    if not isinstance(value, async_sessionmaker):
        raise ContractBrokenError(
            f"session_factory of {module.__name__} returns {type(value).__name__}, not an async_sessionmaker."
        )
    if value.kw.get("expire_on_commit") is not False:
        raise ContractBrokenError(
            f"session_factory of {module.__name__} lacks expire_on_commit=False, which every strategy uses."
        )


@pytest.fixture(scope="session")
def database_url() -> str:
    """URL of an empty database for this process, with driver and password: `postgresql+asyncpg://...`."""
    url = os.environ.get(DATABASE_URL)
    if url is None:
        raise pytest.UsageError(
            f"{DATABASE_URL} is not set: run strategies with `python -m bench run --strategies NAME`."
        )
    if not (make_url(url).database or "").startswith("looptrap_"):
        raise pytest.UsageError(f"{DATABASE_URL} must name a database looptrap_*: strategies drop everything in it.")
    return url


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """Event loop for anyio; session-scoped, so that async fixtures can have any scope."""
    return "asyncio", {"use_uvloop": os.environ.get(LOOP) == "uvloop"}


@pytest.fixture(scope="session")
def ballast(pytestconfig: pytest.Config) -> Ballast:
    """Tables and rows beyond those of the application: none, except in a sweep."""
    return Ballast(tables=pytestconfig.getoption("tables") - TABLES, rows=pytestconfig.getoption("rows"))


@pytest.fixture(scope="session")
def server_url(database_url: str) -> str:
    """URL of the server's maintenance database, with driver and password, for strategies that create databases."""
    driver = make_url(database_url).drivername
    return make_url(os.environ[ADMIN_DSN]).set(drivername=driver).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def metadata(ballast: Ballast) -> MetaData:
    """All tables of the schema, for strategies that create them without migrations."""
    add_tables(Base.metadata, ballast)
    return Base.metadata


@pytest.fixture(scope="session")
def alembic_config(database_url: str, ballast: Ballast) -> AlembicConfig:
    """Alembic's configuration for the database; `attributes["connection"]` may hold an open connection."""
    config = AlembicConfig()
    config.set_main_option("script_location", str(ROOT / "bench" / "app" / "migrations"))
    config.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
    config.attributes["ballast"] = ballast
    return config


@pytest.fixture(scope="session")
def migrate(alembic_config: AlembicConfig) -> Callable[[Connection], None]:
    """Function that runs `alembic upgrade head` on an open connection: `await connection.run_sync(migrate)`."""

    def upgrade(connection: Connection) -> None:
        alembic_config.attributes["connection"] = connection
        command.upgrade(alembic_config, "head")

    return upgrade


@pytest.fixture(scope="session")
def migrated_database_url(database_url: str, alembic_config: AlembicConfig) -> str:
    """`database_url` after `alembic upgrade head`, which runs once, in its own event loop."""
    command.upgrade(alembic_config, "head")
    return database_url


@pytest_asyncio.fixture
async def db_session(session_factory: async_sessionmaker[AsyncSession]) -> AsyncIterator[AsyncSession]:
    """A session in the event loop of the test."""
    async with session_factory() as session:
        yield session


@pytest.fixture
def app_with_sessions(session_factory: async_sessionmaker[AsyncSession]) -> Iterator[FastAPI]:
    """The application; each request gets its own session from the strategy's factory."""

    async def get_test_session() -> AsyncIterator[AsyncSession]:
        async with session_factory() as session:
            yield session

    overrides = {get_session: get_test_session, get_session_factory: lambda: session_factory}
    app.dependency_overrides.update(overrides)
    yield app
    for overridden in overrides:
        del app.dependency_overrides[overridden]


@pytest_asyncio.fixture
async def client(app_with_sessions: FastAPI) -> AsyncIterator[AsyncClient]:
    """An HTTP client that calls the application in the event loop of the test."""
    async with AsyncClient(transport=ASGITransport(app=app_with_sessions), base_url="http://app") as client:
        yield client
