"""What async fixtures of a wider scope, and tests in loops of their own, can use of what the strategy gives."""

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
    """An answer that is asked for once."""
    return await answer(db_engine)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def module_answer_in_session_loop(db_engine: AsyncEngine) -> str:
    """An answer that is asked for once in a module."""
    return await answer(db_engine)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_answer_in_module_loop(db_engine: AsyncEngine) -> str:
    """The same, for strategies without a loop that lasts for the session."""
    return await answer(db_engine)


@pytest.fixture(scope="module")
def module_answer(request: pytest.FixtureRequest) -> object:
    """The one of the two that the strategy's user would write."""
    config = request.config
    # To anyio one is like the other: loops have no scopes there.
    lasting = (
        config.pluginmanager.hasplugin("anyio") or config.getini("asyncio_default_fixture_loop_scope") == "session"
    )
    return request.getfixturevalue("module_answer_in_session_loop" if lasting else "module_answer_in_module_loop")


async def test_session_fixture(session_answer: str, session_factory: Sessions) -> None:
    """A fixture of session scope has asked; the test works on the same engine."""
    assert session_answer
    assert await is_there(session_factory, await commit_one(session_factory))


async def test_module_fixture(module_answer: str, session_factory: Sessions) -> None:
    """A fixture of module scope has asked; the test works on the same engine."""
    assert module_answer
    assert await is_there(session_factory, await commit_one(session_factory))


# No strategy has this scope; outside a class it is a loop for this test alone.
@pytest.mark.asyncio(loop_scope="class")
async def test_own_loop_scope(session_factory: Sessions) -> None:
    """The test works in a loop that is not the one of the strategy's fixtures."""
    assert await is_there(session_factory, await commit_one(session_factory))
