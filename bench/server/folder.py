"""A private folder of a server: deleted at the end, or at the next start if its owner was killed."""

import contextlib
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

from bench.results.errors import UserError
from bench.server.process_identity import identity, known

PREFIX = "looptrap-server-"
MEMORY = Path("/dev/shm")  # noqa: S108 - Linux's file system in memory; the folder in it gets a random name
OWNER_FILE = "owner.json"
CLEAR_SECONDS = 5
LONGEST_SOCKET = 103
"""The longest path of a socket in bytes; macOS has the lowest limit."""

_NAMES = ("postgres", "initdb", "pg_ctl")
# Postgres's immediate shutdown. The data will be deleted, and other modes wait for clients.
_AT_ONCE = getattr(signal, "SIGQUIT", signal.SIGTERM)


def fits_a_socket(folder: Path) -> bool:
    """Whether the path of Postgres's socket in a folder is short enough."""
    return len(os.fsencode(folder / ".s.PGSQL.5432")) <= LONGEST_SOCKET


def too_long_for_a_socket(folder: Path) -> UserError:
    """Return the error for a folder whose path is too long for a socket."""
    return UserError(
        f"--transport unix: the path {folder} is too long for a socket. Set TMPDIR to a shorter one, or leave it out."
    )


@contextlib.contextmanager
def private_folder(place: Path | None = None) -> Iterator[Path]:
    """
    Create a folder, and at the end stop any Postgres that still runs in it and delete it.

    :param place: its parent; by default the temporary folder.
    """
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    try:
        (folder / OWNER_FILE).write_text(json.dumps(identity(psutil.Process())))
        yield folder
    finally:
        # After Ctrl-C during its start, a server runs that nobody else knows of.
        _clear(folder)


def clear_orphans() -> None:
    """Delete the folders of runs that were killed, and stop the servers in them."""
    places = (Path(tempfile.gettempdir()), MEMORY)
    for owner_file in (found for place in places for found in place.glob(f"{PREFIX}*/{OWNER_FILE}")):
        # It may belong to another user, or its owner may be deleting it right now.
        with contextlib.suppress(OSError, ValueError):
            if _is_ours(owner_file) and known(json.loads(owner_file.read_text())) is None:
                _clear(owner_file.parent)


def _is_ours(file: Path) -> bool:
    # On Windows, each user has their own temporary folder.
    return not hasattr(os, "getuid") or file.stat().st_uid == os.getuid()


def _clear(folder: Path) -> None:
    """Stop any Postgres that still runs in a folder, and delete the folder."""
    running = list(_running_in(folder))
    for process in running:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(_AT_ONCE)
    for process in psutil.wait_procs(running, CLEAR_SECONDS)[1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    for path in folder.glob("*"):
        if path.name != OWNER_FILE:
            shutil.rmtree(path, ignore_errors=True)
    # Files of a container's user cannot be deleted here. The next start of a container finds them by the owner file.
    if {path.name for path in folder.glob("*")} <= {OWNER_FILE}:
        shutil.rmtree(folder, ignore_errors=True)


def _running_in(folder: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter(["name", "cmdline", "cwd"]):
        # Unreadable values are None. A backend's command line has no path, but it works in the data folder.
        if (process.info["name"] or "").startswith(_NAMES):
            words = [*(process.info["cmdline"] or ()), process.info["cwd"] or ""]
            if any(Path(word).is_relative_to(folder) for word in words):
                yield process
