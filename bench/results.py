"""
The records of a run, their two files, and the history of their schema.

Files on disk are the only thing between measuring and looking, so this module is all that both sides share. It knows
neither Postgres nor pandas. Change a record only together with `SCHEMA` and the history below.

Schema history
    1   first version
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from bench.errors import UserError

SCHEMA = 1
RUN_FILE = "run.json"
CELLS_FILE = "cells.jsonl"

WARM_UP = 0
"""The number of the round that is discarded: the traps, since nobody times them, and the floor."""

PASSED, FAILED, ERROR, LEAKED = ".", "F", "E", "L"
"""The letters of `Samples.outcomes`: passed; failed in its own work; error in setup or teardown; its work passed, but
it had found rows of an earlier test at its start."""


@dataclass(frozen=True)
class Failure:
    """One distinct way in which tests of a cell failed; addresses are removed, so that equal failures are equal."""

    phase: Literal["setup", "call", "teardown"]
    type: str
    """The exception's class name, such as `RuntimeError`."""
    message: str
    """The first line of the message, at most 300 characters."""


@dataclass(frozen=True)
class Samples:
    """
    Every raw sample of a cell, in columns: one entry per test, in the order in which they ran.

    Times are seconds and exclude fixtures of a wider scope than function, which stand in `Cell`.
    """

    setup: tuple[float, ...] = ()
    call: tuple[float, ...] = ()
    teardown: tuple[float, ...] = ()
    outcomes: str = ""
    """One letter per test: `PASSED`, `FAILED`, `ERROR` or `LEAKED`."""
    leaked: tuple[int, ...] = ()
    """How many tables held rows of an earlier test when the test started; -1 where the test did not get so far."""
    failure: tuple[int, ...] = ()
    """Index into `Cell.failures` of the test's first failure; -1 for none."""
    statements: tuple[int, ...] = ()
    """SQL statements that SQLAlchemy sent for the test, savepoints included, BEGIN, COMMIT and ROLLBACK not."""
    connections: tuple[int, ...] = ()
    """Connections to Postgres that SQLAlchemy opened for the test."""


@dataclass(frozen=True)
class Cell:
    """
    One strategy x one workload, run once, in a process and a database of its own.

    All times are seconds. `startup + collection + session_setup + sum(samples) + session_teardown + shutdown +
    residual = wall`.
    """

    strategy: str
    round: int
    position: int
    """Place within the round, from 0."""
    started: str
    """ISO 8601, UTC."""
    status: Literal["finished", "crashed", "timeout"]
    """`finished`: pytest ran to its end, whatever the tests did. `crashed`: it did not; `detail` has the reason."""
    detail: str
    wall: float
    """From starting the process to its end."""
    startup: float
    """Interpreter, imports of pytest and plugins (the application's among them)."""
    collection: float
    session_setup: float
    """Fixtures of a wider scope than function, setting up."""
    session_teardown: float
    shutdown: float
    """From the end of the last test to the end of the process."""
    residual: float
    """What is left of `wall`: pytest's own work between tests."""
    wal_bytes_per_test: float | None
    """Write-ahead log of the whole server per test, session fixtures excluded; None for fewer than 3 tests."""
    failures: tuple[Failure, ...]
    samples: Samples


@dataclass(frozen=True)
class StrategyFacts:
    """What a strategy declared, as it was when the run started."""

    name: str
    summary: str
    test_loop_scope: str
    fixture_loop_scope: str
    hides: tuple[str, ...]
    expected_errors: tuple[tuple[str, str], ...] = ()
    """Of a trap: (exception, words) pairs that must come. Empty: not a trap."""
    expected_failures: str = ""
    """Of a trap: `all fail`, `first passes` or `alternates`."""
    source_sha256: str = ""

    @property
    def is_trap(self) -> bool:
        """Whether the strategy is kept because it fails."""
        return bool(self.expected_errors)


@dataclass(frozen=True)
class ServerFacts:
    """Where Postgres came from and how it was set. Settings that decide timings stand in `settings`."""

    kind: Literal["dsn", "container", "embedded"]
    why: str
    version: str
    """Postgres's own, such as `18.4`."""
    transport: str
    """`unix socket` or `tcp`."""
    filesystem: str
    """Of the data directory where it can be known (`ext4`, `overlayfs`), else an empty string."""
    image: str
    """Of a container: name and digest; else an empty string."""
    settings: dict[str, str]


@dataclass(frozen=True)
class Machine:
    """Where the run was made."""

    cpu: str
    cores: int
    memory_bytes: int
    system: str
    """Such as `Linux 6.1 x86_64`."""
    python: str
    packages: dict[str, str]


@dataclass(frozen=True)
class Workload:
    """What every strategy had to do. Runs of different fingerprints are never pooled."""

    tests: int
    shapes: tuple[str, ...]
    """The kinds of test; test i is of kind `shapes[i % len(shapes)]`."""
    fingerprint: str
    """Hash of application, workload and number of tests: 12 hexadecimal digits."""


@dataclass(frozen=True)
class RoundLimits:
    """How many timed rounds there might be. Where both numbers are equal, so many were asked for."""

    fewest: int
    most: int
    budget: float | None
    """No round was begun that would have ended later than so many seconds after the start."""


@dataclass(frozen=True)
class Run:
    """Everything about a run but its cells."""

    schema: int
    looptrap: str
    """Version of the harness."""
    started: str
    """ISO 8601, UTC."""
    command: str
    """The command that makes such a run again, without any password."""
    seed: int
    limits: RoundLimits
    decisions: tuple[str, ...]
    """Why the rounds ended, and which strategies sat some out: a sentence each; empty while the run goes on."""
    strategies: tuple[StrategyFacts, ...]
    workload: Workload
    server: ServerFacts
    machine: Machine


class _SchemaOf(TypedDict):
    schema: int


_SCHEMA_OF = TypeAdapter(_SchemaOf)
_RUN = TypeAdapter(Run)
_CELL = TypeAdapter(Cell)


def create_run(folder: Path, run: Run) -> None:
    """
    Make `folder`, with parents, and put `run.json` into it.

    :raises UserError: it holds a run already, or cannot be written.
    """
    if (folder / RUN_FILE).exists():
        raise UserError(f"{folder} already holds a run: choose another folder with --out, or remove it.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_run(folder, run)
        (folder / CELLS_FILE).touch()
    except OSError as error:
        raise _unwritable(folder, error) from error


def write_run(folder: Path, run: Run) -> None:
    """
    Write `run.json`, whole or not at all.

    :raises UserError: the folder cannot be written.
    """
    draft = folder / f"{RUN_FILE}.draft"
    try:
        draft.write_bytes(_RUN.dump_json(run, indent=2) + b"\n")
        draft.replace(folder / RUN_FILE)
    except OSError as error:
        raise _unwritable(folder, error) from error


def append_cell(folder: Path, cell: Cell) -> None:
    """
    Add one line to the run's cells and push it to the disk, so that what is finished survives whatever comes.

    :raises UserError: the folder cannot be written.
    """
    try:
        with (folder / CELLS_FILE).open("ab") as file:
            file.write(_CELL.dump_json(cell) + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _unwritable(folder, error) from error


def discard_if_empty(folder: Path) -> bool:
    """Remove a run in which no cell was finished, and its folder if nothing else is in it; tell whether it was so."""
    cells = folder / CELLS_FILE
    if cells.exists() and cells.stat().st_size:
        return False
    with contextlib.suppress(OSError):
        cells.unlink(missing_ok=True)
        (folder / RUN_FILE).unlink(missing_ok=True)
        folder.rmdir()
    return True


def read_run(folder: Path) -> Run:
    """
    Read `run.json`.

    :raises UserError: there is none, it is of a newer schema, or it is not a run.
    """
    path = folder / RUN_FILE
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{folder} holds no run ({error.strerror}): give one that nox -s bench wrote, such as results/reference."
        ) from error
    try:
        schema = _SCHEMA_OF.validate_json(text)["schema"]
        if schema > SCHEMA:
            raise UserError(f"{path} has schema {schema}, this looptrap reads up to {SCHEMA}: update looptrap.")
        return _RUN.validate_json(text)
    except ValidationError as error:
        raise UserError(f"{path} is not a run of schema {SCHEMA}: {_first(error)}.") from error


def read_cells(folder: Path) -> Iterator[Cell]:
    """
    Yield the finished cells in the order in which they ran, one at a time in memory.

    A last line without its end is a write that was cut off; it is dropped.

    :raises UserError: there is no such file, or a line other than the last is damaged.
    """
    path = folder / CELLS_FILE
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    return
                try:
                    yield _CELL.validate_json(line)
                except ValidationError as error:
                    raise UserError(f"{path}, line {number} is damaged: {_first(error)}.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error


def _unwritable(folder: Path, error: OSError) -> UserError:
    return UserError(f"cannot write to {folder}: {error.strerror}. Choose a folder with room with --out.")


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc']) or 'the text'}: {first['msg']}"
