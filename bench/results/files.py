"""
Writes and reads the files of a run.

Measuring and reporting communicate only by these files. Their records are in `bench/results/records.py`.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from bench.results.errors import UserError, unwritable
from bench.results.history import upgraded
from bench.results.record_store import RecordStore, fault
from bench.results.records import SCHEMA, Cell, Fidelity, Run

OLDEST_SCHEMA = 3
"""The oldest schema that can be read."""

RUN_FILE = "run.json"

CELLS_FILE = "cells.jsonl"

FIDELITY_FILE = "fidelity.jsonl"


class _SchemaOf(TypedDict):
    schema: int


_SCHEMA_OF = TypeAdapter(_SchemaOf)
_JSON = TypeAdapter(dict[str, Any])
_RUN = TypeAdapter(Run)
_CELL = TypeAdapter(Cell)

FIDELITY = RecordStore(FIDELITY_FILE, Fidelity, remedy="Remove it, and run nox -s check again.")
"""The probe results of a run by strategy; empty if no probe ran."""


def create_run(folder: Path, run: Run) -> None:
    """
    Create a folder, with its parents, and write `run.json` into it.

    :raises UserError: it already holds a run, or cannot be written.
    """
    if (folder / RUN_FILE).exists():
        raise UserError(f"{folder} already holds a run: choose another folder with --out, or remove it.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_run(folder, run)
        (folder / CELLS_FILE).touch()
    except OSError as error:
        raise unwritable(folder, error) from error


def write_run(folder: Path, run: Run) -> None:
    """
    Write `run.json` atomically.

    :raises UserError: the folder cannot be written.
    """
    draft = folder / f"{RUN_FILE}.draft"
    try:
        with draft.open("wb") as file:
            _write(file, _RUN.dump_json(run, indent=2))
        draft.replace(folder / RUN_FILE)
    except OSError as error:
        raise unwritable(folder, error) from error


def append_cell(folder: Path, cell: Cell) -> None:
    """
    Append a cell to the run's file and flush it to the disk, so that it survives a crash.

    :raises UserError: the folder cannot be written.
    """
    try:
        with (folder / CELLS_FILE).open("ab") as file:
            _write(file, _CELL.dump_json(cell))
    except OSError as error:
        raise unwritable(folder, error) from error


def drop_torn_line(folder: Path) -> None:
    """
    Remove an incomplete last line from the file of cells, which an interrupted write left behind.

    :raises UserError: the folder cannot be written.
    """
    try:
        with (folder / CELLS_FILE).open("ab+") as file:
            file.seek(0)
            whole = 0
            for line in file:
                whole += len(line) if line.endswith(b"\n") else 0
            file.truncate(whole)
    except OSError as error:
        raise unwritable(folder, error) from error


def discard_if_empty(folder: Path) -> bool:
    """Remove a run without finished cells or probe results, and its folder if that is then empty; return whether."""
    cells = folder / CELLS_FILE
    if (cells.exists() and cells.stat().st_size) or (folder / FIDELITY_FILE).exists():
        return False
    with contextlib.suppress(OSError):
        cells.unlink(missing_ok=True)
        (folder / RUN_FILE).unlink(missing_ok=True)
        folder.rmdir()
    return True


def read_run(folder: Path) -> Run:
    """
    Read `run.json`; one of an older schema is converted, and keeps the number of its schema.

    :raises UserError: there is none, its schema is too old or too new, or it is not a run.
    """
    path = folder / RUN_FILE
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{folder} holds no run ({error.strerror}): give the folder of a run, such as results/reference."
        ) from error
    try:
        schema = _SCHEMA_OF.validate_json(text)["schema"]
        if schema > SCHEMA:
            raise UserError(
                f"{path} has schema {schema}, but this looptrap reads only up to {SCHEMA}: update looptrap."
            )
        if schema < OLDEST_SCHEMA:
            raise UserError(
                f"{path} has schema {schema}, but this looptrap reads only from {OLDEST_SCHEMA}: measure again."
            )
        return _RUN.validate_python(upgraded(_JSON.validate_json(text)))
    except ValidationError as error:
        raise UserError(f"{path} is not a run of schema {SCHEMA}: {fault(error)}.") from error


def read_cells(folder: Path) -> Iterator[Cell]:
    """
    Yield the finished cells in the order in which they ran. Only one is in memory at a time.

    An incomplete last line, which an interrupted write left behind, is ignored.

    :raises UserError: there is no such file, or another line is damaged.
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
                    raise UserError(f"{path}, line {number} is damaged: {fault(error)}.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error


def _write(file: BinaryIO, line: bytes) -> None:
    """Write a line and flush it to the disk."""
    file.write(line + b"\n")
    file.flush()
    os.fsync(file.fileno())
