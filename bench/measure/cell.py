"""
Runs one cell: one strategy x one workload, in a pytest process of its own and a database that the caller has made.

What must not be measured, such as a checkpoint, happens before the process and after it. However the cell ends, its
process is killed.
"""

import shutil
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import psutil
from pydantic import TypeAdapter

from bench.measure.child import TESTS_RAN, Ended, Start, TimeLimit, end_orphan, run_child
from bench.measure.pytest_call import pytest_call
from bench.results.endpoints import Client
from bench.results.errors import UserError
from bench.results.records import Cell, ProcessStart, Samples, Size
from bench.server import Server, ServerDiedError
from bench.strategy.loaded import LoadedStrategy
from bench.worker.protocol import CONTRACT_BROKEN, Record

RECORD_FILE, OUTPUT_FILE, PROCESS_FILE = "record.json", "output.txt", "process.json"

_RECORD = TypeAdapter(Record)


@dataclass(frozen=True)
class CellOrder:
    """A cell to run, and its place in the run."""

    strategy: LoadedStrategy
    size: Size
    round: int
    position: int
    client: Client = field(default_factory=Client)
    condition: str = ""
    """As in `bench.results.records.Cell`, as is `start`."""
    start: ProcessStart = "spawned"


def run_cell(  # noqa: PLR0917 - what it takes to run one
    order: CellOrder,
    server: Server,
    url: str,
    timeout: float,
    folder: Path,
    start: Start,
    *,
    hash_seed: int = 0,
    recorded: bool = True,
) -> Cell:
    """
    Run one cell and return what it measured.

    :param url: of an empty database for this cell alone, as `Server.create_database` returns it.
    :param timeout: seconds after which the process is killed.
    :param folder: an empty one for files that pass between the processes; `clear_away` removes it.
    :param start: starts the process.
    :param hash_seed: `PYTHONHASHSEED` of a process that is spawned.
    :param recorded: whether to load the recorder; without it there are no samples, only figures of the process.
    :raises UserError: the strategy breaks the contract, so its measurements would be invalid.
    :raises ServerDiedError: the server was dead before the cell began.
    """
    started, load = datetime.now(UTC).isoformat(timespec="seconds"), round(psutil.getloadavg()[0], 2)
    record_file = folder / RECORD_FILE
    ended, steal, died = None, None, ""
    try:
        server.checkpoint()
        call = pytest_call(
            *(order.strategy, server, url, order.client, folder / OUTPUT_FILE),
            plugins=_recorder(record_file) if recorded else (),
            arguments=_workload(order.size),
            hash_seed=hash_seed,
        )
        before = psutil.cpu_times()
        ended = run_child(start, call, TimeLimit(timeout, pause=timeout), identity_file=folder / PROCESS_FILE)
        steal = _steal(before, psutil.cpu_times())
        server.check_alive()
    except ServerDiedError as error:
        if ended is None:
            raise
        died = str(error)
    record = _RECORD.validate_json(record_file.read_bytes()) if record_file.exists() and not died else Record()
    if ended.exit_code == CONTRACT_BROKEN and record.refused:
        raise UserError(f"strategy {order.strategy.name}: {record.refused}")
    ran = len(record.outcomes) == order.size.tests if recorded else ended.exit_code in TESTS_RAN
    finished = ran and not ended.killed and not died
    tests = sum(record.setup) + sum(record.call) + sum(record.teardown)
    shutdown = ended.instant - record.ended if finished and recorded else 0
    explained = record.startup + record.collection + record.session_setup + record.session_teardown + tests + shutdown
    return Cell(
        strategy=order.strategy.name,
        size=order.size,
        condition=order.condition,
        start=order.start,
        round=order.round,
        position=order.position,
        started=started,
        status=_status(ended, ran=ran, died=bool(died)),
        detail="" if finished else died or ended.reason,
        wall=_rounded(ended.wall),
        cpu=None if ended.cpu is None else _rounded(ended.cpu),
        startup=_rounded(record.startup),
        collection=_rounded(record.collection),
        session_setup=_rounded(record.session_setup),
        session_teardown=_rounded(record.session_teardown),
        shutdown=_rounded(shutdown),
        residual=_rounded(ended.wall - explained),
        wal_bytes_per_test=record.wal_bytes_per_test,
        load=load,
        steal=steal,
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


def clear_away(folder: Path) -> None:
    """Remove a cell's folder, and kill the cell's process if its harness was killed and it still runs."""
    end_orphan(folder / PROCESS_FILE)
    shutil.rmtree(folder, ignore_errors=True)


def _status(ended: Ended, *, ran: bool, died: bool) -> Literal["finished", "crashed", "timeout", "server died"]:
    if died:
        return "server died"
    if ended.killed:
        return "timeout"
    return "finished" if ran else "crashed"


def _recorder(record_file: Path) -> tuple[str, ...]:
    # The last thing that is done before the process starts.
    return "-p", "bench.worker.recorder", f"--record={record_file}", f"--spawned={time.perf_counter()!r}"


def _workload(size: Size) -> tuple[str, ...]:
    return "bench/workload", f"--tests={size.tests}", f"--tables={size.tables}", f"--rows={size.rows}"


def _steal(before: Any, after: Any) -> float | None:  # noqa: ANN401 - psutil's type depends on the system
    """Return the share of processor time that the hypervisor gave to others; None if that is not known."""
    if not hasattr(after, "steal"):
        return None
    share: float = (after.steal - before.steal) / (sum(after) - sum(before))
    return round(share, 4)


def _rounded(seconds: float) -> float:
    """Round to a tenth of a microsecond, which is less than the clock resolves, to keep the file small."""
    return round(seconds, 7)
