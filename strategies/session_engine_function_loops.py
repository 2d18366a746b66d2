"""
Create one engine in the session's event loop; each test runs in a loop of its own.

A connection in the pool belongs to the event loop that opened it, and every test runs in another one.

Do not use it: all tests fail. Give tests and fixtures one session loop, as savepoint_rollback does, or use null_pool.
Prior art: [FastAPI async + pytest, event loop
trap](https://dev.to/neerajkansal9/fastapi-asyncpytest-event-loop-trap-295c),
[SQLAlchemy](https://docs.sqlalchemy.org/en/20/orm/extensions/asyncio.html#using-multiple-asyncio-event-loops).
"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from bench import ExpectedError, Trap

strategy = Trap(
    test_loop_scope="function",
    fixture_loop_scope="function",
    errors=[ExpectedError("RuntimeError", "attached to a different loop")],
    failures="all fail",
)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def db_engine(migrated_database_url: str) -> AsyncIterator[AsyncEngine]:
    """One engine for all tests. It has connected once, as if it had created the tables."""
    engine = create_async_engine(migrated_database_url)
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
    yield engine
    await engine.dispose()


@pytest.fixture
def session_factory(db_engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    """Sessions that commit for real."""
    return async_sessionmaker(db_engine, expire_on_commit=False)
