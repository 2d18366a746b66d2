"""The server of a DSN: what is refused, that it stays unchanged, and that no password is shown."""

import contextlib
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from bench.results.endpoints import ServerSource
from bench.results.errors import UserError
from bench.results.files import read_cells, read_run
from bench.server import Server, open_server
from tests.conftest import Command, assert_one_line
from tests.servers import PATIENCE, STRATEGY, databases, leave_a_database, on

PASSWORD = "hunter2-of-looptrap"  # noqa: S105 - of a role that lives as long as one test


@pytest.fixture
def server(embedded_server: Server) -> Server:
    """The embedded server, whose file of access rules these tests can write."""
    return embedded_server


@contextlib.contextmanager
def role(server: Server, options: str) -> Iterator[tuple[str, str]]:
    """Create a role with the password `PASSWORD`; yield its name and its DSN without a password."""
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
    """Wait until the server has reloaded its access rules."""
    deadline = time.monotonic() + PATIENCE
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


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("--setting", "fsync=off"), "Run ALTER SYSTEM SET fsync = off and SELECT pg_reload_conf() there"),
        (("--setting", "log_line_prefix=%m "), "ALTER SYSTEM SET log_line_prefix = '%m '"),
        (("--tmpfs",), "Give the DSN of one in memory"),
        (("--pg", 16), "Give the DSN of such a server"),
        (("--transport", "tcp"), "Change the DSN"),
    ],
)
def test_server_of_a_dsn_is_not_changed(
    asked: tuple[object, ...], words: str, server: Server, typed: Command, tmp_path: Path
) -> None:
    """A user's server is never changed: such options are refused with what to do instead."""
    done = typed("run", "--server", server.admin_dsn, *asked, "--out", tmp_path / "run")
    assert_one_line(done, " ".join(map(str, asked)), words, "--server embedded or container")


def test_filesystem_behind_a_dsn(server: Server) -> None:
    """For a superuser on this machine the file system of the data is known; another role can be used, too."""
    with open_server(ServerSource(server.admin_dsn)) as found:
        assert found.facts.filesystem == server.facts.filesystem != ""
        assert str(found.facts) == f"dsn, Postgres {found.facts.version} on {server.facts.filesystem}"
    with (
        role(server, "CREATEDB") as (_, dsn),
        open_server(ServerSource(with_password(dsn, PASSWORD))) as found,
    ):
        assert found.facts.filesystem == ""
        assert str(found.facts) == f"dsn, Postgres {found.facts.version}"


def test_run_on_a_dsn(server: Server, looptrap: Command, tmp_path: Path) -> None:
    """A role with CREATEDB is enough; only our databases are dropped, and its password is written nowhere."""
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
    """`auto` uses the DSN in LOOPTRAP_DSN first, and says so."""
    monkeypatch.setenv("LOOPTRAP_DSN", server.admin_dsn)
    with open_server(ServerSource("auto")) as found:
        assert found.facts.kind == "dsn"
        assert "LOOPTRAP_DSN is set" in found.facts.why


def test_dsn_leaves_what_it_found_after_an_exception(server: Server) -> None:
    """A database that was not dropped before is dropped at the end, even after an error."""
    before = databases(server)
    with pytest.raises(ZeroDivisionError):
        leave_a_database(ServerSource(server.admin_dsn))
    assert databases(server) == before


def test_wrong_password(server: Server, typed: Command, tmp_path: Path) -> None:
    """A rejected password gives one line with the role and without the password."""
    wrong = f"{PASSWORD}-wrong"
    with role(server, "CREATEDB") as (name, dsn):
        completed = typed("run", "--server", with_password(dsn, wrong), *STRATEGY, "--out", tmp_path / "run")
    assert_one_line(completed, "rejects the user or password", name, "Correct the DSN")
    assert PASSWORD not in completed.stdout + completed.stderr


def test_role_that_may_not_create_databases(server: Server, typed: Command, tmp_path: Path) -> None:
    """A role without CREATEDB gives one line with the statement that grants it; nothing is created."""
    before = databases(server)
    with role(server, "NOCREATEDB") as (name, dsn):
        completed = typed("run", "--server", with_password(dsn, PASSWORD), *STRATEGY, "--out", tmp_path / "run")
    assert_one_line(completed, f'ALTER ROLE "{name}" CREATEDB')
    assert PASSWORD not in completed.stdout + completed.stderr
    assert databases(server) == before


def test_unknown_database(server: Server, typed: Command, tmp_path: Path) -> None:
    """A database that does not exist gives one line with that name and an existing one."""
    dsn = make_url(server.admin_dsn).set(database="no_such").render_as_string(hide_password=False)
    completed = typed("run", "--server", dsn, *STRATEGY, "--out", tmp_path / "run")
    assert_one_line(completed, 'database "no_such" does not exist', "such as postgres")


@pytest.mark.parametrize("variable", ["", "192.0.2.1"])
def test_where_a_dsn_without_a_host_leads(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PGHOST determines the host of a DSN without one, and so whether that is this machine."""
    monkeypatch.setenv("PGHOST", variable or "/nonexistent")
    with (
        pytest.raises(UserError) as caught,
        open_server(ServerSource("postgresql://u:secret@/db")),
    ):
        pass
    assert ("not on this machine" in str(caught.value)) == bool(variable)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("dsn", "words"),
    [
        ("", "the text given is not auto"),
        ("postgres", "'postgres' is not auto"),
        ("mysql://u:{}@localhost/db", "'mysql' is not auto"),
        ("postgresql://u:{}@localhost:port/db", "the text given is not auto"),
        ("u:{}@localhost/db?x=://", "the text given is not auto"),
        ("u:{}@localhost", "the text given is not auto"),
        ("postgresql://u:{}@localhost:1/db", "u:***@localhost:1/db does not answer"),
        ("postgresql://u@localhost:1/db?password={}", "does not answer"),
        ("postgresql://u:{}@localhost:1/db?sslmode=bogus", "`sslmode` parameter must be one of"),
        ("postgresql:///db?host=/nonexistent", "does not answer"),
        ("postgresql://u:{}@192.0.2.1/db", "192.0.2.1/db is not on this machine: add --allow-remote"),
        ("postgresql://u:{}@example.org/db", "example.org/db is not on this machine: add --allow-remote"),
        ("postgresql://u@/db?host=example.org&password={}", "is not on this machine: add --allow-remote"),
        ("postgresql://u:{}@localhost,example.org/db", "is not on this machine: add --allow-remote"),
    ],
)
def test_dsn_that_is_refused(dsn: str, words: str) -> None:
    """An invalid, unreachable or remote DSN gives one line, never with the password."""
    with pytest.raises(UserError) as caught, open_server(ServerSource(dsn.format(PASSWORD))):
        pass
    message = str(caught.value)
    assert words in message
    assert "\n" not in message
    assert PASSWORD not in message
