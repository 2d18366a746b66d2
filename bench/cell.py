"""
Runs one cell: one strategy x one workload, in a pytest process and a database of its own.

Everything that is not to be measured (making the database, a checkpoint, dropping it) happens around the process.
Whatever happens, process and database are gone afterwards.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from bench.errors import UserError
from bench.process import ADMIN_DSN, CONTRACT_BROKEN, DATABASE_URL, Record
from bench.results import Cell, Samples
from bench.server import Server
from bench.strategy import ROOT, LoadedStrategy, arguments_for_pytest

_RECORD = TypeAdapter(Record)

# Plugins that are merely installed would reorder, distribute, cache or time by themselves, and cost start-up: none is
# loaded but those named here. A strategy that needs one says so in its `pytest_plugins`.
_NO_AUTOLOAD = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
# Of pytest's own, the cache writes files, and the watch for unraisable errors collects garbage five times at the end.
_WITHOUT = ("-p", "no:cacheprovider", "-p", "no:unraisableexception")
_PLUGINS = ("-p", "pytest_asyncio.plugin", "-p", "bench.recorder")
_QUIET = ("-q", "--no-header", "--no-summary", "--tb=no")


@dataclass(frozen=True)
class CellOrder:
    """Which cell to run, and where it stands in the run."""

    strategy: LoadedStrategy
    tests: int
    round: int
    position: int


@dataclass(frozen=True)
class _Ended:
    """How a process ended."""

    status: Literal["finished", "timeout"]
    exit_code: int
    wall: float
    ended: float
    output: str


def run_cell(order: CellOrder, server: Server, database: str, timeout: float) -> Cell:
    """
    Run one cell and return what it measured.

    :param database: name of the database to make for it, `looptrap_*`.
    :param timeout: seconds after which the process is killed.
    :raises UserError: the strategy breaks the contract, so that the run means nothing.
    """
    started = datetime.now(UTC).isoformat(timespec="seconds")
    with tempfile.TemporaryDirectory(prefix="looptrap-cell-") as folder, _database(server, database) as url:
        record_file = Path(folder) / "record.json"
        server.checkpoint()
        spawned = time.perf_counter()
        ended = _run(_command(order, record_file, spawned), _environment(order, server, url), folder, timeout)
        record = _RECORD.validate_json(record_file.read_bytes()) if record_file.exists() else None
    if ended.exit_code == CONTRACT_BROKEN and record is not None and record.refused:
        raise UserError(f"strategy {order.strategy.name}: {record.refused}")
    return _cell(order, started, ended, record)


@contextlib.contextmanager
def _database(server: Server, name: str) -> Iterator[str]:
    url = server.create_database(name)
    try:
        yield url
    finally:
        server.drop_database(name)


def _command(order: CellOrder, record_file: Path, spawned: float) -> list[str]:
    return [
        *(sys.executable, "-m", "pytest", *_WITHOUT, *_PLUGINS),
        *arguments_for_pytest(order.strategy.module, order.strategy.declared),
        *(f"--tests={order.tests}", f"--record={record_file}", f"--spawned={spawned!r}"),
        *_QUIET,
        # A library that warns must not fail a test that passes for everybody else.
        "-ofilterwarnings=default",
    ]


def _environment(order: CellOrder, server: Server, url: str) -> dict[str, str]:
    """Return the environment: the database's URL goes here and not into the arguments, which every user can list."""
    paths = [str(ROOT), str(order.strategy.import_from or ""), os.environ.get("PYTHONPATH", "")]
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        **_NO_AUTOLOAD,
        DATABASE_URL: url,
        ADMIN_DSN: server.admin_dsn,
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
    }


def _run(command: list[str], environment: dict[str, str], folder: str, timeout: float) -> _Ended:
    output = Path(folder) / "output.txt"
    with output.open("wb") as file:
        started = time.perf_counter()
        # In a group of its own, so that Ctrl-C reaches the harness alone, and that children can be killed with it.
        process = subprocess.Popen(  # noqa: S603 - our own interpreter, with arguments made here
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        status: Literal["finished", "timeout"] = "finished"
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            status = "timeout"
        finally:
            ended = time.perf_counter()
            _kill(process)
    return _Ended(status, process.returncode, ended - started, ended, output.read_text(errors="replace"))


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and whatever it started; one that is over is left alone."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    elif process.poll() is None:
        process.kill()
    process.wait()


def _cell(order: CellOrder, started: str, ended: _Ended, record: Record | None) -> Cell:
    finished = ended.status == "finished" and record is not None and len(record.outcomes) == order.tests
    record = record or Record()
    tests = sum(record.setup) + sum(record.call) + sum(record.teardown)
    shutdown = ended.ended - record.ended if finished else 0
    explained = record.startup + record.collection + record.session_setup + record.session_teardown + tests + shutdown
    return Cell(
        strategy=order.strategy.name,
        round=order.round,
        position=order.position,
        started=started,
        status=ended.status if finished or ended.status == "timeout" else "crashed",
        detail="" if finished else _last_line(ended),
        wall=_rounded(ended.wall),
        startup=_rounded(record.startup),
        collection=_rounded(record.collection),
        session_setup=_rounded(record.session_setup),
        session_teardown=_rounded(record.session_teardown),
        shutdown=_rounded(shutdown),
        residual=_rounded(ended.wall - explained),
        wal_bytes_per_test=record.wal_bytes_per_test,
        failures=tuple(record.failures),
        samples=Samples(
            setup=tuple(map(_rounded, record.setup)),
            call=tuple(map(_rounded, record.call)),
            teardown=tuple(map(_rounded, record.teardown)),
            outcomes="".join(record.outcomes),
            leaked=tuple(record.leaked),
            failure=tuple(record.failure),
            statements=tuple(record.statements),
            connections=tuple(record.connections),
        ),
    )


def _rounded(seconds: float) -> float:
    """Round to a tenth of a microsecond, below what the clock resolves here, to keep the file small."""
    return round(seconds, 7)


def _last_line(ended: _Ended) -> str:
    if ended.status == "timeout":
        return f"killed after {ended.wall:.0f} s"
    lines = [line.strip() for line in ended.output.splitlines() if line.strip()]
    return f"exit code {ended.exit_code}: {lines[-1] if lines else 'no output'}"[:500]
