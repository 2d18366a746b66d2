"""Two workers of pytest-xdist do not see each other's rows. `conftest.py` makes them run at the same time."""

from collections.abc import Awaitable, Callable

from bench.probes.rows import Sessions, commit_one, count


async def test_two_workers(session_factory: Sessions, meet: Callable[[str], Awaitable[None]]) -> None:
    """Each worker commits a row, and then counts one row more than before."""
    before = await count(session_factory)
    await meet("counted")
    await commit_one(session_factory)
    await meet("written")
    after = await count(session_factory)
    await meet("looked")
    assert after == before + 1, "the rows of another worker are visible"
