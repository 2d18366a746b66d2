"""
Wrap each test in an outer transaction and roll it back, by pytest-sqla.

It implements the recipe of SQLAlchemy's documentation, like `savepoint_rollback`. It opens each connection in the
test's event loop, and explains the error when another loop, or a task that was left running, uses it.

Use it when you want that recipe without writing it, and its errors explained. The package is young.
Prior art: [pytest-sqla](https://github.com/sqla-native/pytest-sqla),
[SQLAlchemy's recipe](https://docs.sqlalchemy.org/en/20/orm/session_transaction.html#joining-a-session-into-an-external-transaction-such-as-for-test-suites).
"""

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from bench import ONE_TRANSACTION, Peer, Probe, Strategy

pytest_plugins = ["pytest_sqla.plugin"]

strategy = Strategy(
    test_loop_scope="session",
    fixture_loop_scope="session",
    hides={
        *ONE_TRANSACTION - {Probe.OWN_LOOP_SCOPE},
        Probe.ADVISORY_SESSION_LOCK,
        Probe.PREPARED_STATEMENT,
        Probe.SESSION_FIXTURE,
        Probe.MODULE_FIXTURE,
    },
    core=False,
    peer=Peer("pytest-sqla"),
)


@pytest.fixture(scope="session")
def sqla_url(migrated_database_url: str) -> str:
    """The database that the package uses."""
    return migrated_database_url


@pytest.fixture(scope="session")
def sqla_schema() -> None:
    """Empty: Alembic has created the schema."""


@pytest.fixture(scope="session")
def sqla_session_options() -> dict[str, object]:
    """The options that the application gives its sessions."""
    return {"expire_on_commit": False}


@pytest.fixture
def session_factory(
    sqla_async_sessionmaker: async_sessionmaker[AsyncSession],
) -> async_sessionmaker[AsyncSession]:
    """Sessions on one connection, inside a transaction that they cannot commit."""
    return sqla_async_sessionmaker
