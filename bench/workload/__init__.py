"""
The workload: the same N tests for every strategy. `test_workload.py` has one test function per shape.

Any change here or in the application changes the fingerprint, so older runs are not compared with newer ones.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from bench.app import TABLES
from bench.results.records import Size, Workload

FOLDER = Path(__file__).parent
APP = FOLDER.parent / "app"

SHAPES = (
    "create_and_list",
    "update",
    "place_order",
    "conflict_then_carry_on",
    "delete_with_cascade",
    "direct_session",
    "read_own_commits",
)
"""Test number i has the shape `SHAPES[i % len(SHAPES)]`, which is the name of its test function."""

LARGEST = Size(tests=100_000, tables=2_000, rows=10_000_000)
SMALLEST = Size(tests=1, tables=TABLES, rows=0)


def describe(size: Size, sweep: Sequence[Size] = ()) -> Workload:
    """Describe the workload of a size, and the further sizes of a sweep."""
    digest = hashlib.sha256(f"{size.tests} {size.tables} {size.rows}".encode())
    for path in sorted([*APP.rglob("*.py"), *FOLDER.rglob("*.py")]):
        digest.update(path.relative_to(FOLDER.parent).as_posix().encode() + b"\0" + path.read_bytes())
    return Workload(size=size, shapes=SHAPES, fingerprint=digest.hexdigest()[:12], sweep=tuple(sweep))
