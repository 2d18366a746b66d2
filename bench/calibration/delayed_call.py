"""
Delay the call of each test by a known time.

Otherwise it is `savepoint_rollback`. See docs/internals/calibration.md.
"""

from collections.abc import Generator
from typing import Any

import pytest

from bench.calibration import wait
from strategies.savepoint_rollback import db_engine, session_factory, strategy

__all__ = ["db_engine", "session_factory", "strategy"]


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Wait, then run the test function."""
    n: Any = pyfuncitem.funcargs["n"]
    wait(n)
    return (yield)
