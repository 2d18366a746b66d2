"""
Wrap each test in an outer transaction and roll it back, by pytest-async-sqlalchemy.

Its sessions join the transaction without `join_transaction_mode`, as in `conditional_savepoint`: when the application
rolls back, what it had committed is lost, and its next commit stays in the database. The package requests a fixture
`event_loop`, which pytest-asyncio has removed; an empty one is enough.

Do not use it: its last release is from 2021. Use `savepoint_rollback` or `pytest_sqla`.
Prior art: [pytest-async-sqlalchemy](https://github.com/igortg/pytest-async-sqlalchemy),
[SQLAlchemy's recipe](https://docs.sqlalchemy.org/en/20/orm/session_transaction.html#joining-a-session-into-an-external-transaction-such-as-for-test-suites).
"""

import os

import pytest
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from bench import ONE_TRANSACTION, Peer, Probe, Trap

pytest_plugins = ["pytest_async_sqlalchemy"]

strategy = Trap(
    test_loop_scope="session",
    fixture_loop_scope="session",
    hides={
        *ONE_TRANSACTION - {Probe.BACKGROUND_TASK, Probe.TWO_REQUESTS, Probe.TWENTY_REQUESTS},
        Probe.COMMIT_THEN_ROLLBACK,
        Probe.INTEGRITY_ERROR,
        Probe.HANDLER_ROLLS_BACK,
        Probe.ADVISORY_SESSION_LOCK,
        Probe.PREPARED_STATEMENT,
        Probe.REFERENCE_ROWS,
        Probe.REFERENCE_ROWS_RESTORED,
        Probe.MIGRATED_OBJECTS,
        Probe.TWO_WORKERS,
    },
    caught_by={Probe.COMMIT_THEN_ROLLBACK, Probe.INTEGRITY_ERROR, Probe.HANDLER_ROLLS_BACK},
    core=False,
    peer=Peer("pytest-async-sqlalchemy"),
)


@pytest.fixture(scope="session")
def event_loop() -> None:
    """Empty: the package requests this fixture but does not use it."""


@pytest.fixture(scope="session")
def _database_url() -> str:
    return os.environ["LOOPTRAP_DATABASE_URL"]


@pytest.fixture(scope="session")
def init_database(metadata: MetaData) -> object:
    """The function that creates the tables."""
    return metadata.create_all


@pytest.fixture(scope="session")
def db_engine(sqla_engine: AsyncEngine) -> AsyncEngine:
    """The package's engine, under the usual name."""
    return sqla_engine


@pytest.fixture
def session_factory(db_session: AsyncSession) -> async_sessionmaker[AsyncSession]:
    """Sessions on the connection of the package's own session."""
    return async_sessionmaker(db_session.bind, expire_on_commit=False)
