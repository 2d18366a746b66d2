"""
The workload: the same N tests for every strategy. The tests stand in `test_workload.py`, one function per shape.

A change here, or in the application, changes the fingerprint, so that older runs are no longer compared.
"""

import hashlib
from pathlib import Path

from bench.results import Workload

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
"""Test number i is of the shape `SHAPES[i % len(SHAPES)]`: the test function of that name."""

MOST_TESTS = 100_000


def describe(tests: int) -> Workload:
    """Say what the workload of so many tests is."""
    digest = hashlib.sha256(str(tests).encode())
    for path in sorted([*APP.rglob("*.py"), *FOLDER.rglob("*.py")]):
        digest.update(path.relative_to(FOLDER.parent).as_posix().encode() + b"\0" + path.read_bytes())
    return Workload(tests=tests, shapes=SHAPES, fingerprint=digest.hexdigest()[:12])
