"""Fixtures for all tests: one server, and the command line."""

import contextlib
import functools
import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from bench.commands.cli import main
from bench.results.endpoints import ServerSource
from bench.results.paths import ROOT
from bench.server import Server, open_server
from bench.server.embedded import has_room
from tests.servers import PATIENCE, processes_in

# The machine may be slow and shared, and a failure must be reproducible.
settings.register_profile(
    "looptrap", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], max_examples=50
)
settings.load_profile("looptrap")

# A process started in the background ignores Ctrl-C, and so would the processes that the tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

LONGEST = (
    *("calibration/test_recorder_overhead", "commands/test_run", "commands/test_check", "adopt/test_assemble"),
    *("measure/test_resume", "server/test_embedded", "report/test_page", "worker/test_fixtures"),
    *("report/test_documentation", "commands/test_explain", "measure/test_client", "server/test_container"),
    *("charts/test_heatmap", "calibration/test_known_delays", "worker/test_recorder"),
)
"""The slow files, slowest first: if one of them started last, all but one processor would be idle."""

Command = Callable[..., subprocess.CompletedProcess[str]]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--server`, as in `nox -s tests -- --server container`, for tests that are not about the embedded server."""
    parser.addoption("--server", choices=("embedded", "container"), default="embedded", help="Of the harness's tests.")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slow files first; the order of the other files and within files stays."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(f"{item.path.parent.name}/{item.path.stem}", len(places)))


@pytest.fixture(scope="session")
def server_kind(pytestconfig: pytest.Config) -> str:
    """The kind of server for tests that are not about the embedded server."""
    choice = str(pytestconfig.getoption("server"))
    if choice == "container" and (why := no_engine()):
        pytest.skip(why)
    return choice


@pytest.fixture(scope="session")
def own_server(server_kind: str) -> tuple[str, ...]:
    """Options for a command that starts a server of its own: without fsync, on which no test depends."""
    in_memory = server_kind == "container" or has_room()
    return ("--server", server_kind, *(("--tmpfs",) if in_memory else ()))


@pytest.fixture(scope="session")
def embedded_server() -> Iterator[Server]:
    """The embedded Postgres, without fsync and in memory, because no test needs its data later."""
    with open_server(ServerSource("embedded", settings={"fsync": "off"}, tmpfs=has_room())) as server:
        yield server


@pytest.fixture(scope="session")
def server(server_kind: str, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A real Postgres of the chosen kind, also without fsync."""
    if server_kind == "embedded":
        yield request.getfixturevalue("embedded_server")
        return
    with open_server(ServerSource(server_kind, tmpfs=True)) as server:
        yield server


@pytest.fixture
def database_url(server: Server, request: pytest.FixtureRequest) -> Iterator[str]:
    """A new, empty database for one test."""
    name = f"looptrap_test_{abs(hash(request.node.nodeid)):x}"[:63]
    yield server.create_database(name)
    server.drop_database(name)


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder with a path that is short enough for a socket and readable for the server's user."""
    folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="lt")).resolve()
    folder.chmod(0o755)
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    left = processes_in(folder)
    for process in left:
        process.kill()
    shutil.rmtree(folder)
    assert not left


@pytest.fixture
def looptrap() -> Command:
    """Run `python -m bench` like a user in the project's folder."""

    def run(*arguments: object, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "bench", *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1", **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )

    return run


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command line in this process, which is faster for commands that end early."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        words = ["bench", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", words)
        handler = signal.getsignal(signal.SIGTERM)
        try:
            with pytest.raises(SystemExit) as ended:
                main()
        finally:
            signal.signal(signal.SIGTERM, handler)
        return subprocess.CompletedProcess(words, int(ended.value.code or 0), *capsys.readouterr())

    return run


@functools.cache
def no_engine() -> str:
    """Return why there is no Docker engine; empty if one answers."""
    # Imported here, because few tests need it and it is slow.
    import docker  # noqa: PLC0415
    from docker.errors import DockerException  # noqa: PLC0415
    from requests.exceptions import RequestException  # noqa: PLC0415

    with docker_may_leave_sockets():
        try:
            client = docker.from_env(timeout=2)
            try:
                client.ping()
            finally:
                client.close()
        except (DockerException, RequestException) as error:
            return f"no Docker engine answers: {str(error)[:100]}"
    return ""


@contextlib.contextmanager
def docker_may_leave_sockets() -> Iterator[None]:
    """Collect the socket that Docker's library does not close, before a later test is blamed for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


def assert_one_line(completed: subprocess.CompletedProcess[str], *words: str) -> None:
    """Assert that a command refused its input properly: exit code 2, one line, no traceback."""
    assert completed.returncode == 2, completed.stderr + completed.stdout
    lines = completed.stderr.strip().splitlines()
    assert len(lines) == 1, completed.stderr
    assert lines[0].startswith("looptrap: ")
    for word in words:
        assert word in lines[0], lines[0]
