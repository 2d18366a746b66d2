"""
Do nothing between tests: everything that a test commits stays.

All tests share one engine and one event loop. This is the floor: the cost of the tests themselves, with which all
strategies are compared.

Do not use it: each test finds the rows of earlier ones. savepoint_rollback isolates tests at about the same cost.
Prior art: [pytest-asyncio](https://pytest-asyncio.readthedocs.io/en/latest/how-to-guides/run_session_tests_in_same_loop.html).
"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from bench import KEPT_CONNECTIONS, Probe, Strategy

strategy = Strategy(
    test_loop_scope="session",
    fixture_loop_scope="session",
    hides={
        *KEPT_CONNECTIONS,
        Probe.ROWS_GONE,
        Probe.IDENTITY_RESTARTS,
        Probe.SEQUENCES_RESTART,
        Probe.REFERENCE_ROWS_RESTORED,
        Probe.TABLE_GONE,
        Probe.COLUMN_GONE,
        Probe.FAILED_TEST,
        Probe.CANCELLED_TEST,
        Probe.KILLED_PROCESS,
        Probe.OPEN_CONNECTION,
        Probe.RUNNING_TASK,
        Probe.TWO_WORKERS,
    },
)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def db_engine(migrated_database_url: str) -> AsyncIterator[AsyncEngine]:
    """One engine for all tests."""
    engine = create_async_engine(migrated_database_url)
    yield engine
    await engine.dispose()


@pytest.fixture(scope="session")
def session_factory(db_engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    """Sessions that commit for real."""
    return async_sessionmaker(db_engine, expire_on_commit=False)
