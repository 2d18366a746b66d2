"""Helpers for tests of servers: databases, processes and files, and a run to interrupt."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import asyncpg
import psutil
import pytest

from bench.results.endpoints import ServerSource
from bench.results.files import CELLS_FILE
from bench.results.paths import ROOT
from bench.server import Server, open_server

PATIENCE = 900
"""Seconds after which tests assume that something hangs; it says nothing about how long it should take."""

POSIX = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has no signals to other processes, and other scripts and links"
)

STRATEGY = ("--strategies", "none", "--tests", "7", "--no-check")


def processes_in(folder: Path) -> list[psutil.Process]:
    """Return the processes that have a folder in their command line or work in it."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "cwd"])
        if process.pid != os.getpid()
        and any(str(folder) in word for word in [*(process.info["cmdline"] or ()), process.info["cwd"] or ""])
    ]


def assert_nothing_left(folder: Path) -> None:
    """Assert that no process or file of ours is left in a temporary folder; the run's own folder may be."""
    deadline = time.monotonic() + PATIENCE  # the cell of a killed run ends when it notices that its server is gone
    while processes_in(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_in(folder) == []
    assert [path.name for path in folder.iterdir() if path.name != "run"] == []


def leave_a_database(source: ServerSource) -> NoReturn:
    """Create a database and fail before it is dropped."""
    with open_server(source) as server:
        server.create_database("looptrap_left")
        raise ZeroDivisionError


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
    """Return the names of all databases of a server."""
    return set(on(server.admin_dsn, "SELECT datname FROM pg_database"))


def start_run(temporary: Path, *where: str) -> subprocess.Popen[str]:
    """
    Start a run, and return when its first cell is on disk and the next one runs.

    :param where: the value of --server, which other options may follow.
    """
    out = temporary / "run"
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", "run", "--server", *where, *STRATEGY, "--out", str(out)],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            if (out / CELLS_FILE).read_bytes().endswith(b"\n"):
                time.sleep(0.3)
                return process
        time.sleep(0.02)
    process.kill()
    pytest.fail(f"no cell was finished: {process.communicate()}")
