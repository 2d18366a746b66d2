"""
Runs one cell: one strategy x one workload, in a pytest process and a database of its own.

Everything that is not to be measured (making the database, a checkpoint, dropping it) happens around the process.
Whatever happens, process and database are gone afterwards.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

import psutil
from pydantic import TypeAdapter
from sqlalchemy.engine import make_url

from bench.results.endpoints import Client, Driver, Runner
from bench.results.errors import UserError
from bench.results.paths import ROOT
from bench.results.records import Cell, Samples, Size
from bench.server import Server, ServerDiedError
from bench.server.process_identity import identity, known
from bench.strategy.loaded import LoadedStrategy, arguments_for_pytest
from bench.worker.protocol import ADMIN_DSN, CONTRACT_BROKEN, DATABASE_URL, LOOP, Record

RECORD_FILE, OUTPUT_FILE, PROCESS_FILE = "record.json", "output.txt", "process.json"

if sys.platform == "win32":
    resource = None
else:
    import resource

_RECORD = TypeAdapter(Record)

TESTS_RAN = (0, 1)
"""pytest's exit codes when it ran all tests, whatever they did."""

# Plugins that are merely installed would reorder, distribute, cache or time by themselves, and cost start-up: none is
# loaded but those named here. A strategy that needs one says so in its `pytest_plugins`.
_NO_AUTOLOAD = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
# A user's options of pytest are not ours, and without bytecode every process compiles the harness anew.
_NOT_PASSED_ON = ("PYTEST_", "PYTHONDONTWRITEBYTECODE")
# Of pytest's own, the cache writes files, and the watch for unraisable errors collects garbage five times at the end.
_WITHOUT = ("-p", "no:cacheprovider", "-p", "no:unraisableexception")
_QUIET = ("-q", "--no-header", "--no-summary", "--tb=no")

# pyproject.toml's options block anyio, and are strict about settings, of which pytest-asyncio's are then unknown.
_RUNNERS: dict[Runner, tuple[str, ...]] = {
    "pytest-asyncio": ("-p", "asyncio"),
    "anyio": ("-o", "addopts=", "-p", "anyio"),
}


def pytest_options(client: Client) -> tuple[str, ...]:
    """Return options of pytest, whenever it runs tests under a strategy; the environment is that of `environment`."""
    return (*_WITHOUT, *_RUNNERS[client.runner])


@dataclass(frozen=True)
class CellOrder:
    """Which cell to run, and where it stands in the run."""

    strategy: LoadedStrategy
    size: Size
    round: int
    position: int
    client: Client = field(default_factory=Client)
    condition: str = ""
    """As in `bench.results.records.Cell`."""


@dataclass(frozen=True)
class _Ended:
    """How a process ended."""

    status: Literal["finished", "timeout", "server died"]
    exit_code: int
    wall: float
    ended: float
    output: str
    cpu: float | None
    steal: float | None


class _Processor(NamedTuple):
    """What the processors have done so far, in seconds."""

    children: float
    """For processes that this one has started and that are over."""
    total: float
    """Everything, idling included."""
    stolen: float | None
    """For others, as the hypervisor tells; None where it does not."""


def run_cell(
    order: CellOrder,
    server: Server,
    database: str,
    timeout: float,
    folder: Path,
    *,
    recorded: bool = True,
    under: Sequence[str] = (),
) -> Cell:
    """
    Run one cell and return what it measured.

    :param database: name of the database to make for it, `looptrap_*`.
    :param timeout: seconds after which the process is killed.
    :param folder: an empty one for files that pass between the processes; `clear_away` removes it.
    :param recorded: whether the recorder looks; without it there are no samples, only the process's own figures.
    :param under: the words of a command that runs the process and watches it from outside, such as valgrind's.
    :raises UserError: the strategy breaks the contract, so that the run means nothing.
    :raises ServerDiedError: the server was dead before the cell began.
    """
    started, load = datetime.now(UTC).isoformat(timespec="seconds"), psutil.getloadavg()[0]
    record_file = folder / RECORD_FILE if recorded else None
    ended = None
    try:
        with _database(server, database) as url:
            server.checkpoint()
            command = [*under, *_command(order, record_file, time.perf_counter())]
            ended = _run(command, environment(order.strategy, server, url, order.client), folder, timeout)
    except ServerDiedError as error:
        if ended is None:
            raise
        return _cell(order, started, load, replace(ended, status="server died", output=str(error)), None)
    if record_file is None:
        return _cell(order, started, load, ended, None)
    record = _RECORD.validate_json(record_file.read_bytes()) if record_file.exists() else Record()
    if ended.exit_code == CONTRACT_BROKEN and record.refused:
        raise UserError(f"strategy {order.strategy.name}: {record.refused}")
    return _cell(order, started, load, ended, record)


def clear_away(folder: Path) -> None:
    """Remove a cell's folder, and end the process that it tells of: one whose harness was killed may still run."""
    with contextlib.suppress(OSError, ValueError):
        if (process := known(json.loads((folder / PROCESS_FILE).read_text()))) is not None:
            kill_group(process.pid) if hasattr(os, "killpg") else process.kill()
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _database(server: Server, name: str) -> Iterator[str]:
    url = server.create_database(name)
    try:
        yield url
    finally:
        # With what a strategy has made beside it, and had no time to drop if its process was killed.
        server.drop_databases(name)


def _command(order: CellOrder, record_file: Path | None, spawned: float) -> list[str]:
    size = order.size
    recorder = (
        ("-p", "bench.worker.recorder", f"--record={record_file}", f"--spawned={spawned!r}") if record_file else ()
    )
    return [
        *(order.client.interpreter or sys.executable, "-m", "pytest", *pytest_options(order.client), *recorder),
        *arguments_for_pytest(order.strategy.module, order.strategy.plugins, order.strategy.declared),
        "bench/workload",
        *(f"--tests={size.tests}", f"--tables={size.tables}", f"--rows={size.rows}"),
        *_QUIET,
        # A library that warns must not fail a test that passes for everybody else.
        "-ofilterwarnings=default",
    ]


def environment(strategy: LoadedStrategy, server: Server, url: str, client: Client) -> dict[str, str]:
    """Return the environment: the database's URL goes here and not into the arguments, which every user can list."""
    paths = [str(ROOT), str(strategy.import_from or ""), os.environ.get("PYTHONPATH", "")]
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED_ON)},
        **_NO_AUTOLOAD,
        DATABASE_URL: with_driver(url, client.driver),
        LOOP: client.loop,
        ADMIN_DSN: server.admin_dsn,
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
    }


def with_driver(url: str, driver: Driver) -> str:
    """Return a URL of SQLAlchemy's for a driver."""
    return make_url(url).set(drivername=f"postgresql+{driver}").render_as_string(hide_password=False)


def _run(command: list[str], environment: dict[str, str], folder: Path, timeout: float) -> _Ended:
    output = folder / OUTPUT_FILE
    with output.open("wb") as file:
        before = _processor()
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
            (folder / PROCESS_FILE).write_text(json.dumps(identity(psutil.Process(process.pid))))
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            status = "timeout"
        finally:
            ended = time.perf_counter()
            _kill(process)
    after = _processor()
    return _Ended(
        status=status,
        exit_code=process.returncode,
        wall=ended - started,
        ended=ended,
        output=output.read_text(errors="replace"),
        cpu=None if resource is None else after.children - before.children,
        steal=None if after.stolen is None else (after.stolen - (before.stolen or 0)) / (after.total - before.total),
    )


def _processor() -> _Processor:
    times = psutil.cpu_times()
    used = resource.getrusage(resource.RUSAGE_CHILDREN) if resource else None
    return _Processor(
        children=used.ru_utime + used.ru_stime if used else 0, total=sum(times), stolen=getattr(times, "steal", None)
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and whatever it started; one that is over is left alone."""
    if hasattr(os, "killpg"):
        kill_group(process.pid)
    elif process.poll() is None:
        process.kill()
    process.wait()


def kill_group(leader: int) -> None:
    """End a process that leads a group, and all of the group; one that is over is left alone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _cell(order: CellOrder, started: str, load: float, ended: _Ended, record: Record | None) -> Cell:
    """
    Put a cell together.

    :param record: None where nobody looked; then the exit code alone says whether all tests ran.
    """
    if record is None:
        finished = ended.status == "finished" and ended.exit_code in TESTS_RAN
    else:
        finished = ended.status == "finished" and len(record.outcomes) == order.size.tests
    record = record or Record(ended=ended.ended)
    tests = sum(record.setup) + sum(record.call) + sum(record.teardown)
    shutdown = ended.ended - record.ended if finished else 0
    explained = record.startup + record.collection + record.session_setup + record.session_teardown + tests + shutdown
    return Cell(
        strategy=order.strategy.name,
        size=order.size,
        condition=order.condition,
        round=order.round,
        position=order.position,
        started=started,
        status=ended.status if finished or ended.status != "finished" else "crashed",
        detail="" if finished else _last_line(ended),
        wall=_rounded(ended.wall),
        cpu=None if ended.cpu is None else _rounded(ended.cpu),
        startup=_rounded(record.startup),
        collection=_rounded(record.collection),
        session_setup=_rounded(record.session_setup),
        session_teardown=_rounded(record.session_teardown),
        shutdown=_rounded(shutdown),
        residual=_rounded(ended.wall - explained),
        wal_bytes_per_test=record.wal_bytes_per_test,
        load=round(load, 2),
        steal=None if ended.steal is None else round(ended.steal, 4),
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
            transactions=tuple(record.transactions),
            cpu=tuple(map(_rounded, record.cpu)),
            peak_memory=tuple(record.peak_memory),
        ),
    )


def _rounded(seconds: float) -> float:
    """Round to a tenth of a microsecond, below what the clock resolves here, to keep the file small."""
    return round(seconds, 7)


def _last_line(ended: _Ended) -> str:
    if ended.status == "server died":
        return ended.output
    if ended.status == "timeout":
        return f"killed after {ended.wall:.0f} s"
    lines = [line.strip() for line in ended.output.splitlines() if line.strip()]
    return f"exit code {ended.exit_code}: {lines[-1] if lines else 'no output'}"[:500]
