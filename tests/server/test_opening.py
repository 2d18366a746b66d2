"""Servers of any kind: our databases, settings, and how runs on them end."""

import asyncio
import signal
import uuid
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from bench.results.endpoints import ServerSource
from bench.results.errors import UserError
from bench.results.files import read_cells
from bench.server import Server, ServerDiedError, embedded, folder, open_server
from tests.conftest import Command, assert_one_line
from tests.servers import PATIENCE, POSIX, assert_nothing_left, databases, on, start_run


def test_database_is_made_and_dropped(server: Server) -> None:
    """A database exists after it was created, and is gone after it was dropped, even with a client connected."""
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
    """A database that a process made a template of, which Postgres refuses to drop, is dropped."""
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
    """Dropping a database that does not exist is not an error."""
    server.drop_database("looptrap_never_was")


@pytest.mark.parametrize(
    "name", ["postgres", "customers", "looptrap_", "looptrap_a-b", 'looptrap_a"; DROP', "looptrap"]
)
def test_name_that_is_not_ours_is_refused(server: Server, name: str) -> None:
    """Only databases named `looptrap_*` can be created or dropped."""
    before = databases(server)
    with pytest.raises(ValueError, match="is not a database of ours"):
        server.create_database(name)
    with pytest.raises(ValueError, match="is not a database of ours"):
        server.drop_database(name)
    assert databases(server) == before


def test_signal_handlers_are_as_before(server: Server) -> None:
    """The handlers of Ctrl-C and SIGTERM are restored."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with open_server(ServerSource(server.admin_dsn)):
        pass
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@POSIX
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_in_the_middle(temporary: Path, server_kind: str, number: signal.Signals, code: int) -> None:
    """After Ctrl-C and SIGTERM the finished cells are on disk, a line says where, and nothing is left running."""
    process = start_run(temporary, server_kind)
    process.send_signal(number)
    output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == code
    assert "Traceback" not in errors
    finished = list(read_cells(temporary / "run"))
    assert finished
    assert f"Stopped. {len(finished)} finished cells are in" in output
    assert "nox -s report -- " in output
    assert_nothing_left(temporary)


def test_what_was_asked_for_holds_from_the_start(server_kind: str) -> None:
    """Settings have the requested values, even those that need a restart, and data are in memory; the facts say so."""
    if server_kind == "embedded" and not embedded.has_room():
        pytest.skip(f"{folder.MEMORY} has not the room that --tmpfs takes")
    asked = {"fsync": "off", "shared_buffers": "32MB", "timezone": "UTC"}
    with open_server(ServerSource(server_kind, settings=asked, tmpfs=True)) as server:
        assert [on(server.admin_dsn, f"SHOW {name}")[0] for name in asked] == list(asked.values())
        assert {name: server.facts.settings[name] for name in asked} == asked
        assert server.facts.filesystem == "tmpfs"
        with server.without_fsync():
            assert on(server.admin_dsn, "SHOW fsync") == ["off"]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("fsync=maybe", 'parameter "fsync" requires a Boolean value. Give it another value'),
        ("fsnyc=off", 'unrecognized configuration parameter "fsnyc"'),
        ("jit.fast=on", "does not know jit.fast"),
        ("port=5433", "looptrap sets port itself"),
    ],
)
def test_setting_that_is_refused(setting: str, words: str, server_kind: str, typed: Command, tmp_path: Path) -> None:
    """A setting that Postgres rejects gives one line with its message; one that looptrap makes itself is refused."""
    done = typed("run", "--server", server_kind, "--setting", setting, "--out", tmp_path / "run")
    assert_one_line(done, f"--setting {setting}: ", words)


def test_version_that_is_another(embedded_server: Server) -> None:
    """A server with another version than requested is refused; the name of an image may be wrong."""
    with pytest.raises(UserError, match=r"--pg 13: .* has Postgres 1"):
        Server(
            make_url(embedded_server.admin_dsn),
            ServerSource(pg=13),
            kind="container",
            why="",
            image="postgres:13 sha256",
        )


def test_what_to_know_stands_beside_the_server(embedded_server: Server) -> None:
    """Before measuring, a line describes the server, and warnings follow."""
    dsn = make_url(embedded_server.admin_dsn)
    server = Server(dsn, ServerSource(), kind="dsn", why="as requested", warnings=("It is emulated.",))
    assert server.introduction("pg=16") == f"Server of pg=16: {server.facts} (as requested).\nIt is emulated."


def test_setting_that_leaves_nothing_to_do(server_kind: str) -> None:
    """A setting that Postgres accepts but that prevents creating databases gives one line."""
    with (
        pytest.raises(UserError, match="cannot execute CREATE DATABASE in a read-only transaction"),
        open_server(ServerSource(server_kind, settings={"default_transaction_read_only": "on"})) as server,
    ):
        server.create_database("looptrap_read_only")


def test_server_that_dies_in_the_middle(server_kind: str) -> None:
    """If the server dies during a statement, the error says so, not just the driver's message."""
    with (
        open_server(ServerSource(server_kind, settings={"fsync": "off"})) as server,
        pytest.raises(ServerDiedError, match="no longer answers"),
    ):
        server._execute("COPY (SELECT) TO PROGRAM 'kill -QUIT $(head -1 postmaster.pid); sleep 5'")
