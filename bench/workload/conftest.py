"""Creates N tests from the shapes in round-robin order, and checks for leaked rows before each."""

from collections.abc import Callable

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from bench.workload import SHAPES
from bench.workload.slate import Slate, look


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--tests`."""
    parser.addoption("--tests", type=int, default=len(SHAPES), help="how many tests the workload has")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Distribute the numbers from 0 to N - 1 over the shapes."""
    shape = SHAPES.index(metafunc.function.__name__.removeprefix("test_"))
    metafunc.parametrize("n", range(shape, metafunc.config.getoption("--tests"), len(SHAPES)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests by number. In a short workload some shapes have no test."""
    numbered: dict[pytest.Item, int] = {}
    for item in items:
        if isinstance(item, pytest.Function) and isinstance(n := item.callspec.params["n"], int):
            numbered[item] = n
    items[:] = sorted(numbered, key=numbered.__getitem__)


@pytest_asyncio.fixture
async def slate(
    session_factory: async_sessionmaker[AsyncSession], record_property: Callable[[str, object], None]
) -> Slate:
    """What the test found at its start. It is recorded, and the test asserts at its end that it was clean."""
    async with session_factory() as session:
        slate = await look(session)
    record_property("dirty_tables", len(slate.dirty_tables))
    return slate
