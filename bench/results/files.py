"""
The files of a run: what writes them, line by line, and what reads them again.

Files on disk are the only thing between measuring and looking, so this module is what both sides share. It knows
neither Postgres nor pandas. The records in them stand in `bench/results/records.py`.
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
"""The first that is still read."""

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
"""What probes saw, by the strategies' names; empty where none ran."""


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
        raise unwritable(folder, error) from error


def write_run(folder: Path, run: Run) -> None:
    """
    Write `run.json`, whole or not at all.

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
    Add one line to the run's cells and push it to the disk, so that what is finished survives whatever comes.

    :raises UserError: the folder cannot be written.
    """
    try:
        with (folder / CELLS_FILE).open("ab") as file:
            _write(file, _CELL.dump_json(cell))
    except OSError as error:
        raise unwritable(folder, error) from error


def drop_torn_line(folder: Path) -> None:
    """
    Cut off a last line of the cells that has no end, before more are added: what a write left that was cut off.

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
    """Remove a run in which nothing was finished, and its folder if nothing else is in it; tell whether it was so."""
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
            f"{folder} holds no run ({error.strerror}): give one that nox -s bench wrote, such as results/reference."
        ) from error
    try:
        schema = _SCHEMA_OF.validate_json(text)["schema"]
        if schema > SCHEMA:
            raise UserError(f"{path} has schema {schema}, this looptrap reads {SCHEMA}: update looptrap.")
        if schema < OLDEST_SCHEMA:
            raise UserError(f"{path} has schema {schema}, this looptrap reads {SCHEMA}: measure again.")
        return _RUN.validate_python(upgraded(_JSON.validate_json(text)))
    except ValidationError as error:
        raise UserError(f"{path} is not a run of schema {SCHEMA}: {fault(error)}.") from error


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
                    raise UserError(f"{path}, line {number} is damaged: {fault(error)}.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error


def _write(file: BinaryIO, line: bytes) -> None:
    """Write a line and push it to the disk."""
    file.write(line + b"\n")
    file.flush()
    os.fsync(file.fileno())
