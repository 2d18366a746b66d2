"""A private folder that goes with its owner: at the end, or, where the owner was killed, at the next start."""

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
"""Bytes of a path; macOS allows the fewest."""

_NAMES = ("postgres", "initdb", "pg_ctl")
# Postgres's immediate shutdown: the data are to be deleted, and a polite one would wait for clients.
_AT_ONCE = getattr(signal, "SIGQUIT", signal.SIGTERM)


def fits_a_socket(folder: Path) -> bool:
    """Whether Postgres's socket in a folder has a path that the system allows."""
    return len(os.fsencode(folder / ".s.PGSQL.5432")) <= LONGEST_SOCKET


def too_long_for_a_socket(folder: Path) -> UserError:
    """Say what to do where a socket does not fit."""
    return UserError(
        f"--transport unix: {folder} is too long a path for a socket. Set TMPDIR to a shorter one, or leave it out."
    )


@contextlib.contextmanager
def private_folder(place: Path | None = None) -> Iterator[Path]:
    """
    Make a folder that is ours, and delete it at the end, with whatever of Postgres still runs in it.

    :param place: in which it is made; the temporary folder if left out.
    """
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    try:
        (folder / OWNER_FILE).write_text(json.dumps(identity(psutil.Process())))
        yield folder
    finally:
        # Ctrl-C in the middle of the start leaves a server that nobody has been told of.
        _clear(folder)


def clear_orphans() -> None:
    """Delete the folders of runs that were killed, and stop the servers in them."""
    places = (Path(tempfile.gettempdir()), MEMORY)
    for owner_file in (found for place in places for found in place.glob(f"{PREFIX}*/{OWNER_FILE}")):
        # Another user's folder, or one that its owner is just deleting, is not ours to touch.
        with contextlib.suppress(OSError, ValueError):
            if _is_ours(owner_file) and known(json.loads(owner_file.read_text())) is None:
                _clear(owner_file.parent)


def _is_ours(file: Path) -> bool:
    # On Windows, each user has a temporary folder of his own.
    return not hasattr(os, "getuid") or file.stat().st_uid == os.getuid()


def _clear(folder: Path) -> None:
    """Delete a folder, and before that end whatever of Postgres still runs in it, whoever is connected."""
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
    # What only a container's user may delete goes at the next start of a container, which finds it by the owner file.
    if {path.name for path in folder.glob("*")} <= {OWNER_FILE}:
        shutil.rmtree(folder, ignore_errors=True)


def _running_in(folder: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter(["name", "cmdline", "cwd"]):
        # What may not be known is None. A backend's command line tells nothing, but it works in the data folder.
        if (process.info["name"] or "").startswith(_NAMES):
            words = [*(process.info["cmdline"] or ()), process.info["cwd"] or ""]
            if any(Path(word).is_relative_to(folder) for word in words):
                yield process
