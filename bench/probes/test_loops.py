"""Async fixtures with a wider scope, and tests in event loops of their own, can use the strategy's engine."""

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.probes.rows import Sessions, commit_one, is_there


async def answer(engine: AsyncEngine) -> str:
    """Ask Postgres for the name of the database."""
    async with engine.connect() as connection:
        return str(await connection.scalar(text("SELECT current_database()")))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def session_answer(db_engine: AsyncEngine) -> str:
    """A query that runs once per session."""
    return await answer(db_engine)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def module_answer_in_session_loop(db_engine: AsyncEngine) -> str:
    """A query that runs once per module, in the session's event loop."""
    return await answer(db_engine)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_answer_in_module_loop(db_engine: AsyncEngine) -> str:
    """A query that runs once per module, for strategies without a session loop."""
    return await answer(db_engine)


@pytest.fixture(scope="module")
def module_answer(request: pytest.FixtureRequest) -> object:
    """Whichever of the two a user of the strategy would write."""
    config = request.config
    # Under anyio event loops have no scopes, so both are the same.
    session_loop = (
        config.pluginmanager.hasplugin("anyio") or config.getini("asyncio_default_fixture_loop_scope") == "session"
    )
    return request.getfixturevalue("module_answer_in_session_loop" if session_loop else "module_answer_in_module_loop")


async def test_session_fixture(session_answer: str, session_factory: Sessions) -> None:
    """A fixture of session scope and the test use the same engine."""
    assert session_answer
    assert await is_there(session_factory, await commit_one(session_factory))


async def test_module_fixture(module_answer: str, session_factory: Sessions) -> None:
    """A fixture of module scope and the test use the same engine."""
    assert module_answer
    assert await is_there(session_factory, await commit_one(session_factory))


# No strategy has this scope. Outside a class it means an event loop for this test alone.
@pytest.mark.asyncio(loop_scope="class")
async def test_own_loop_scope(session_factory: Sessions) -> None:
    """The test runs in a different event loop than the strategy's fixtures."""
    assert await is_there(session_factory, await commit_one(session_factory))
