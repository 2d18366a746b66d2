"""
Create one engine at import; each test runs in an event loop of its own.

The first test fills the pool and passes. The second gets a connection that belongs to the event loop of the first.

Do not use it: all tests but the first fail. Create the engine in a fixture and give all tests one session loop, as
savepoint_rollback does, or keep the engine at module level with `NullPool`, as in null_pool.
Prior art: [pytest-asyncio #402](https://github.com/pytest-dev/pytest-asyncio/issues/402).
"""

import os

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from bench import ExpectedError, Trap

strategy = Trap(
    test_loop_scope="function",
    fixture_loop_scope="function",
    errors=[
        ExpectedError("RuntimeError", "attached to a different loop"),
        ExpectedError("InterfaceError", "another operation is in progress"),
    ],
    failures="first passes",
)

engine = create_async_engine(os.environ.get("LOOPTRAP_DATABASE_URL", "postgresql+asyncpg://"))


@pytest.fixture
def session_factory(migrated_database_url: str) -> async_sessionmaker[AsyncSession]:
    """Sessions of the engine above; they commit for real."""
    return async_sessionmaker(engine, expire_on_commit=False)
