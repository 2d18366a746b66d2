"""
Delay the setup of each test by a known time.

Otherwise it is `savepoint_rollback`. See docs/internals/calibration.md.
"""

import pytest

from bench.calibration import wait
from strategies.savepoint_rollback import db_engine, session_factory, strategy

__all__ = ["db_engine", "session_factory", "strategy"]


@pytest.fixture(autouse=True)
def delay(n: int) -> None:
    """Wait before the test."""
    wait(n)
