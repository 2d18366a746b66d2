"""The engine, the session factory and the `get_session` dependency, at module level as in most services."""

import os
from collections.abc import AsyncIterator

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

DATABASE_URL = os.environ.get("LOOPTRAP_DATABASE_URL", "postgresql+asyncpg://localhost/looptrap_app")

engine = create_async_engine(DATABASE_URL)
async_session = async_sessionmaker(engine, expire_on_commit=False)


async def get_session() -> AsyncIterator[AsyncSession]:
    """Give each request its own session; handlers commit."""
    async with async_session() as session:
        yield session


def get_session_factory() -> async_sessionmaker[AsyncSession]:
    """Provide sessions for work after the response, when the request's session is closed."""
    return async_session
