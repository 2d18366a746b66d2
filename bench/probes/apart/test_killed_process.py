"""After a process was killed during a test, the next run is clean. Each turn has a process of its own."""

import psutil

from bench.probes.conftest import Unchanged
from bench.probes.protocol import FIRST
from bench.probes.rows import Sessions, a_customer, commit_one, count, is_there


async def test_killed_process(turn: str, session_factory: Sessions, unchanged: Unchanged) -> None:
    """When the process is killed, one row is committed and one is not."""
    unchanged(await count(session_factory), "customers at the start of a run")
    assert await is_there(session_factory, await commit_one(session_factory)), "a committed row is missing"
    if turn == FIRST:
        async with session_factory() as session:
            session.add(a_customer())
            await session.flush()
            psutil.Process().kill()
