"""The options and the environment with which pytest runs tests under a strategy."""

import os
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy.engine import make_url

from bench.measure.child import PytestCall
from bench.results.endpoints import Client, Driver, Runner
from bench.results.paths import ROOT
from bench.server import Server
from bench.strategy.loaded import LoadedStrategy, arguments_for_pytest
from bench.worker.protocol import ADMIN_DSN, DATABASE_URL, LOOP

# Plugins that are merely installed would reorder, distribute, cache or time tests, and make the start slower. A
# strategy that needs one names it in its `pytest_plugins`.
_NO_AUTOLOAD = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
# The user's pytest options must not apply, and without bytecode every process would compile the harness again.
_NOT_PASSED_ON = ("PYTEST_", "PYTHONDONTWRITEBYTECODE")
# The cache writes files, and the watch for unraisable errors collects garbage five times at the end.
_WITHOUT = ("-p", "no:cacheprovider", "-p", "no:unraisableexception")
# A library's warning must not fail a test that passes everywhere else.
_QUIET = ("-q", "--no-header", "--no-summary", "--tb=no", "-ofilterwarnings=default")

# The options in pyproject.toml block anyio, and are strict about settings; pytest-asyncio's would then be unknown.
_RUNNERS: dict[Runner, tuple[str, ...]] = {
    "pytest-asyncio": ("-p", "asyncio"),
    "anyio": ("-o", "addopts=", "-p", "anyio"),
}


def pytest_call(
    strategy: LoadedStrategy,
    server: Server,
    url: str,
    client: Client,
    output: Path,
    *,
    plugins: Sequence[str] = (),
    arguments: Sequence[str],
    hash_seed: int = 0,
    thorough: bool = False,
) -> PytestCall:
    """
    Return how pytest runs tests under a strategy.

    :param url: of the database, as `Server.create_database` returns it.
    :param plugins: options that load plugins before the strategy.
    :param arguments: which tests to run, and further options.
    :param hash_seed: of a process that is spawned, and of those that it starts.
    :param thorough: as in `PytestCall`.
    """
    loaded = arguments_for_pytest(strategy.module, strategy.plugins, strategy.declared)
    return PytestCall(
        [*pytest_options(client), *plugins, *loaded, *_QUIET, *arguments],
        {**_environment(strategy, server, url, client), "PYTHONHASHSEED": str(hash_seed)},
        output,
        thorough,
    )


def pytest_options(client: Client) -> tuple[str, ...]:
    """Return the options of pytest that depend on the client alone."""
    return (*_WITHOUT, *_RUNNERS[client.runner])


def with_driver(url: str, driver: Driver) -> str:
    """Return an SQLAlchemy URL for a driver."""
    return make_url(url).set(drivername=f"postgresql+{driver}").render_as_string(hide_password=False)


def _environment(strategy: LoadedStrategy, server: Server, url: str, client: Client) -> dict[str, str]:
    # The URL holds a password, and every user of the machine can list the arguments of a process.
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED_ON)},
        **_NO_AUTOLOAD,
        DATABASE_URL: with_driver(url, client.driver),
        LOOP: client.loop,
        ADMIN_DSN: server.admin_dsn,
        "PYTHONPATH": python_path(strategy.import_from),
    }


def python_path(folder: Path | None = None) -> str:
    """Return PYTHONPATH of a process that runs tests: the project, a strategy's own folder, and the user's."""
    paths = [str(ROOT), str(folder or ""), os.environ.get("PYTHONPATH", "")]
    return os.pathsep.join(path for path in paths if path)
