"""An interrupted run can be resumed, and no finished cell is lost or run twice."""

import asyncio
import io
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import psutil
import pytest
from rich.console import Console

from bench.measure.cell import PROCESS_FILE
from bench.measure.schedule import CELL_FOLDER
from bench.measure.session import say_what_is_on_disk
from bench.results.files import CELLS_FILE, RUN_FILE, read_cells, read_run
from bench.results.paths import ROOT
from bench.results.records import WARM_UP, Cell
from bench.server import Server
from tests.conftest import Command, assert_one_line
from tests.servers import PATIENCE, POSIX

RUN_OF_NONE = ("--strategies", "none", "--tests", 1, "--rounds", 2, "--seed", 5, "--no-check")
SPREADS = (0, 0.1, 0.5)
"""A kill comes at most this many seconds after its moment."""

KILLS_THE_SERVER = '''
"""Kill the server, once."""
import asyncio, contextlib, pathlib
import asyncpg, pytest
from bench import Strategy
from strategies.savepoint_rollback import db_engine, session_factory, strategy

@pytest.fixture(scope="session", autouse=True)
def kill(database_url):
    mark = pathlib.Path(__file__).with_suffix(".done")
    if not mark.exists():
        mark.touch()
        with contextlib.suppress(asyncpg.PostgresError, OSError):
            asyncio.run(stop(database_url.replace("+asyncpg", "")))

async def stop(dsn):
    # From inside the server, because that also works in a container.
    connection = await asyncpg.connect(dsn)
    await connection.execute("COPY (SELECT) TO PROGRAM 'kill -QUIT $(head -1 postmaster.pid)'")
'''


@contextmanager
def started(server: Server, *arguments: object) -> Iterator["subprocess.Popen[str]"]:
    """Start `python -m bench run` on the tests' server, and kill it at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", "run", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "LOOPTRAP_DSN": server.admin_dsn, "COLUMNS": "200", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def whole_lines(folder: Path) -> list[bytes]:
    """Return the complete lines of the file of cells."""
    file = folder / CELLS_FILE
    return (
        [line for line in file.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")] if file.exists() else []
    )


def wait_for_cells(folder: Path, count: int) -> None:
    """Wait for a number of finished cells."""
    deadline = time.monotonic() + PATIENCE
    while len(whole_lines(folder)) < count:
        assert time.monotonic() < deadline, f"{len(whole_lines(folder))} cells"
        time.sleep(0.05)


def made_since(path: Path, moment: float) -> bool:
    """Whether a file or folder exists that is newer than a moment."""
    try:
        return path.stat().st_mtime >= moment
    except FileNotFoundError:
        return False


def phases_of(folder: Path, began: float, count: int) -> dict[str, Callable[[], bool]]:
    """
    Return for each phase of a run a function that tells whether the run has reached it.

    :param began: when its process was started.
    :param count: the number of cells that were finished at that time.
    """
    cell = folder / CELL_FOLDER
    return {
        "start": lambda: True,
        "before a cell's process": lambda: made_since(cell, began),
        "cell": lambda: made_since(cell / PROCESS_FILE, began),
        "record and what follows": lambda: len(whole_lines(folder)) > count,
    }


def keys(folder: Path) -> list[tuple[str, int]]:
    """Return strategy and round of each cell."""
    return [(cell.strategy, cell.round) for cell in read_cells(folder)]


def databases(server: Server, prefix: str) -> list[str]:
    """Return the names of the databases with a prefix."""

    async def look() -> list[str]:
        connection = await asyncpg.connect(server.admin_dsn)
        rows = await connection.fetch("SELECT datname FROM pg_database WHERE starts_with(datname, $1)", prefix)
        await connection.close()
        return [row["datname"] for row in rows]

    return asyncio.run(look())


@POSIX
def test_killed_anywhere_every_finished_cell_is_there_once(server: Server, tmp_path: Path) -> None:
    """
    After SIGKILL in every phase of a run and a Ctrl-C, finished cells are kept, none runs twice, and nothing is left.

    Each phase is interrupted when the run reaches it, and twice a random moment later; random moments alone would miss
    short phases. Another test is about a torn record.
    """
    folder, moments = tmp_path / "run", random.Random(3)  # noqa: S311 - moments, not secrets
    begin = ("--strategies", "none", "--tests", 1, "--rounds", 1000, "--no-check", "--out", folder)
    seen: set[bytes] = set()
    for spread, part in itertools.product(SPREADS, phases_of(folder, 0, 0)):
        there = (folder / RUN_FILE).exists()
        reached = phases_of(folder, time.time(), len(seen))[part]
        with started(server, *(("--resume", folder) if there else begin)) as process:
            deadline = time.monotonic() + PATIENCE
            while not reached():
                assert time.monotonic() < deadline, part
                time.sleep(0.002)
            time.sleep(moments.uniform(0, spread))
            assert process.poll() is None, process.communicate()[0]
        now = whole_lines(folder)
        assert seen <= set(now)
        seen = set(now)
    with started(server, "--resume", folder) as process:
        wait_for_cells(folder, len(seen) + 2)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, said
    assert f"to resume: nox -s bench -- --resume {folder}" in said

    lines = whole_lines(folder)
    assert seen < set(lines)
    assert set(Counter(keys(folder)).values()) == {1}
    # All cells of a round come before those of the next.
    rounds = [number for _, number in keys(folder)]
    assert rounds == sorted(rounds)
    assert set(Counter(rounds[:-1]).values()) <= {1, 2}
    assert databases(server, read_run(folder).database_prefix) == []
    assert not (folder / ".cell").exists()
    assert not [process for process in psutil.process_iter(["cmdline"]) if str(folder) in str(process.info["cmdline"])]


def test_resumed_run_is_the_run_that_was_begun(
    full_run_of_none: Path, server: Server, tmp_path: Path, looptrap: Command
) -> None:
    """After a kill and with a torn last line, the resume runs the rest, and the run is as if it had never stopped."""
    torn = tmp_path / "torn"
    with started(server, *RUN_OF_NONE, "--out", torn):
        wait_for_cells(torn, 3)
    kept = whole_lines(torn)
    with (torn / CELLS_FILE).open("ab") as file:
        file.write(kept[-1][: len(kept[-1]) // 2])
    done = looptrap("run", "--resume", torn, LOOPTRAP_DSN=server.admin_dsn)
    assert done.returncode == 0, done.stderr
    assert whole_lines(torn)[: len(kept)] == kept
    assert keys(torn) == keys(full_run_of_none)
    assert read_run(torn).decisions == read_run(full_run_of_none).decisions
    assert "none is not ranked" in done.stdout


def test_complete_run_is_not_resumed(full_run_of_none: Path, typed: Command) -> None:
    """A resume of a complete run is refused with the command that shows it."""
    assert_one_line(typed("run", "--resume", full_run_of_none), "is complete", "nox -s report")


@pytest.mark.parametrize(
    ("finished", "words"), [(False, "The results of the probes are in"), (True, "finished cells are in")]
)
def test_report_is_offered_where_there_is_something_to_see(
    full_run_of_none: Path, tmp_path: Path, *, finished: bool, words: str
) -> None:
    """A run that stopped before its first cell ended can be resumed, but only one with cells offers a report."""
    cells = (full_run_of_none / CELLS_FILE).read_bytes() if finished else b""
    (tmp_path / CELLS_FILE).write_bytes(cells)
    console = Console(file=io.StringIO(), width=200)
    say_what_is_on_disk(tmp_path, console)
    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue()
    assert words in said
    assert "nox -s bench -- --resume" in said
    assert ("nox -s report" in said) == bool(cells)


def test_nothing_may_be_said_beside_resume(full_run_of_none: Path, typed: Command) -> None:
    """Options that would change the run are refused."""
    for option in (("--tests", 7), ("--strategies", "none"), ("--sweep", "tests=1,2"), ("--seed", 1)):
        assert_one_line(typed("run", "--resume", full_run_of_none, *option), str(option[0]), "--resume")


def test_resume_of_what_is_no_run(tmp_path: Path, typed: Command) -> None:
    """A folder without a run is refused."""
    assert_one_line(typed("run", "--resume", tmp_path), "holds no run")


@pytest.mark.parametrize(
    ("where", "what"),
    [(("machine", "cores"), "the machine has changed"), (("workload", "fingerprint"), "the workload has changed")],
)
def test_changed_run_is_not_mixed(
    full_run_of_none: Path, tmp_path: Path, typed: Command, where: tuple[str, str], what: str
) -> None:
    """If machine or workload have changed, a resume is refused with the difference and a command."""
    run = json.loads((full_run_of_none / RUN_FILE).read_text()) | {"decisions": []}
    run[where[0]][where[1]] = 99 if where[1] == "cores" else "000000000000"
    (tmp_path / RUN_FILE).write_text(json.dumps(run))
    assert_one_line(typed("run", "--resume", tmp_path), what, where[1], "nox -s bench")


def test_dsn_is_not_kept_and_has_to_be_said(full_run_of_none: Path, tmp_path: Path, looptrap: Command) -> None:
    """A run on a DSN needs the DSN to resume; slightly more memory after a reboot is not another machine."""
    run = json.loads((full_run_of_none / RUN_FILE).read_text()) | {"decisions": []}
    run["machine"]["memory_bytes"] += 4096
    (tmp_path / RUN_FILE).write_text(json.dumps(run))
    done = looptrap("run", "--resume", tmp_path, LOOPTRAP_DSN="")
    assert_one_line(done, "DSN, which a run does not record", "--server DSN", "LOOPTRAP_DSN")


@pytest.fixture(scope="session")
def full_run_of_none(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Path:
    """The folder of a small complete run."""
    folder = tmp_path_factory.mktemp("complete") / "run"
    with started(server, *RUN_OF_NONE, "--out", folder) as process:
        said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said
    return folder


def test_server_that_dies_is_replaced(tmp_path: Path, looptrap: Command, server_kind: str) -> None:
    """A cell during which the server died is recorded as failed; another server is started, and the run goes on."""
    strategy = tmp_path / "kills_the_server.py"
    strategy.write_text(KILLS_THE_SERVER.lstrip())
    folder = tmp_path / "run"
    arguments = ("--server", server_kind, "--strategies", strategy, "--tests", 3, "--rounds", 2, "--out", folder)
    done = looptrap("run", "--no-check", *arguments)
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stdout.count("Starting another server") == 1
    cells: list[Cell] = list(read_cells(folder))
    assert Counter(cell.status for cell in cells) == {"server died": 1, "finished": 8}
    (died,) = (cell for cell in cells if cell.status != "finished")
    assert (died.strategy, died.round) == ("kills_the_server", WARM_UP)
    assert "kills_the_server lost its server in the warm-up round" in done.stdout
    assert len(read_run(folder).decisions) == 1
