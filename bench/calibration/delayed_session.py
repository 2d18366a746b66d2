"""
Delay the setup and the teardown of the session by a known time.

Otherwise it is `savepoint_rollback`. See docs/internals/calibration.md.
"""

from collections.abc import Iterator

import pytest

from bench.calibration import SESSION_DELAY, spin
from strategies.savepoint_rollback import db_engine, session_factory, strategy

__all__ = ["db_engine", "session_factory", "strategy"]


@pytest.fixture(scope="session", autouse=True)
def delay() -> Iterator[None]:
    """Wait before the first test and after the last."""
    spin(SESSION_DELAY)
    yield
    spin(SESSION_DELAY)
