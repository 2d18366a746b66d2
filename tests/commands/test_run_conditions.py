"""A run under several conditions, as a user starts it: each cell runs once, on its own server."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from bench.results.files import CELLS_FILE, read_cells, read_run
from bench.results.paths import ROOT
from bench.server import Server
from tests.conftest import Command, assert_one_line
from tests.servers import PATIENCE, POSIX

TELLS = '''
"""Report the setting of the server."""
import asyncio
import pathlib

import asyncpg
import pytest
from bench import Strategy
from strategies.savepoint_rollback import db_engine, session_factory, strategy


@pytest.fixture(scope="session", autouse=True)
def tell(database_url):
    async def ask():
        connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
        try:
            return await connection.fetchval("SHOW fsync")
        finally:
            await connection.close()

    with pathlib.Path(__file__).with_suffix(".reported").open("a") as file:
        file.write(asyncio.run(ask()) + "\\n")
'''


@POSIX
def test_stopped_and_resumed_under_two_conditions(tmp_path: Path, looptrap: Command) -> None:
    """
    A run over `fsync` runs each strategy under both values in each round, each time on a server with that value.

    Ctrl-C keeps the finished cells, and the resume starts both servers again and runs the rest.
    """
    strategy, folder = tmp_path / "tells.py", tmp_path / "run"
    strategy.write_text(TELLS.lstrip())
    arguments = ("--server", "embedded", "--sweep", "setting:fsync=on,off", "--strategies", strategy, "--no-check")
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "bench",
            "run",
            *map(str, arguments),
            "--tests=3",
            "--rounds=1",
            "--seed=7",
            f"--out={folder}",
        ],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + PATIENCE
    while not (folder / CELLS_FILE).exists() or len(list(read_cells(folder))) < 3:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, said
    assert "Server of fsync=off: embedded" in said
    begun = read_run(folder)
    done = looptrap("run", "--resume", folder)
    assert done.returncode == 0, done.stderr + done.stdout

    run, cells = read_run(folder), list(read_cells(folder))
    assert run.conditions == begun.conditions
    assert [(one.name, one.server.settings["fsync"]) for one in run.conditions] == [("fsync=off", "off")]
    assert run.server.settings["fsync"] == "on"
    counted = Counter((cell.strategy, cell.round, cell.condition) for cell in cells)
    assert set(counted.values()) == {1}
    names = ("none", "none_twin", "tells")
    warm_up = {("none", 0, "fsync=off"), *((name, 0, "") for name in names)}
    assert counted.keys() == warm_up | {(name, 1, condition) for name in names for condition in ("", "fsync=off")}
    # A cell that was killed has reported and ran again, so the reports may have one repetition.
    reported = (tmp_path / "tells.reported").read_text().split()
    ran = ["off" if cell.condition else "on" for cell in cells if cell.strategy == "tells"]
    assert Counter(reported) - Counter(ran) in (Counter(), Counter(["on"]), Counter(["off"]))
    assert not Counter(ran) - Counter(reported)
    assert "--sweep setting:fsync=on,off" in run.command


def test_server_of_a_dsn_is_not_swept(server: Server, tmp_path: Path, looptrap: Command) -> None:
    """A sweep over settings of a DSN's server is refused with one line, and nothing is measured."""
    done = looptrap(
        *("run", "--server", server.admin_dsn, "--sweep", "setting:fsync=on,off", "--strategies", "none"),
        *("--out", tmp_path / "run"),
    )
    assert_one_line(done, "ALTER SYSTEM SET fsync")
    assert not (tmp_path / "run" / CELLS_FILE).exists()
