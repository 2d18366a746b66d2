"""
Wrap each test in an outer transaction and roll it back, by pytest-async-sqlalchemy.

Its sessions join the transaction without `join_transaction_mode`, as in `conditional_savepoint`: a rollback of the
application takes along what it had committed, and the commit after it stays. It asks for a fixture `event_loop`, which
pytest-asyncio no longer has; an empty one will do.

Do not use it: its last release is of 2021. Take `savepoint_rollback`, or `pytest_sqla`.
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
    """Nothing: the package asks for it and does not use it."""


@pytest.fixture(scope="session")
def _database_url() -> str:
    return os.environ["LOOPTRAP_DATABASE_URL"]


@pytest.fixture(scope="session")
def init_database(metadata: MetaData) -> object:
    """What makes the tables."""
    return metadata.create_all


@pytest.fixture(scope="session")
def db_engine(sqla_engine: AsyncEngine) -> AsyncEngine:
    """The package's engine, under the name that the others have."""
    return sqla_engine


@pytest.fixture
def session_factory(db_session: AsyncSession) -> async_sessionmaker[AsyncSession]:
    """Sessions on the connection of the package's own one."""
    return async_sessionmaker(db_session.bind, expire_on_commit=False)
