"""Other drivers, event loops and runners, with the same workload."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.measure.cell import CellOrder, run_cell
from bench.measure.pytest_call import pytest_options
from bench.measure.templates import Templates
from bench.results.endpoints import Client
from bench.results.paths import ROOT
from bench.results.records import PASSED, Cell, Samples
from bench.server import Server
from bench.strategy.declaration import Strategy, Trap
from bench.strategy.discovery import load
from bench.strategy.loaded import arguments_for_pytest
from bench.worker.protocol import DATABASE_URL, LOOP
from bench.workload import SMALLEST

SIZE = replace(SMALLEST, tests=7)
USUAL, PSYCOPG, UVLOOP, ANYIO = Client(), Client(driver="psycopg"), Client(loop="uvloop"), Client(runner="anyio")
ALL_THREE = Client("psycopg", "uvloop", "anyio")


def a_cell(server: Server, folder: Path, strategy: str | Path, client: Client, condition: str = "") -> Cell:
    """Run seven tests under a strategy, one of each shape."""
    folder = folder / f"{Path(strategy).stem}-{client.driver}-{client.loop}-{client.runner}"
    folder.mkdir()
    order = CellOrder(load(str(strategy)), SIZE, 0, 0, client, condition)
    with server.temporary_database("looptrap_client") as url, Templates() as templates:
        return run_cell(order, server, url, 60, folder, templates.start_of(client))


def witnesses(samples: Samples) -> tuple[object, ...]:
    """Return the counts of a cell, test by test."""
    return samples.outcomes, samples.statements, samples.connections, samples.transactions


@pytest.mark.parametrize(
    ("strategy", "clients"), [("savepoint_rollback", (USUAL, PSYCOPG, ALL_THREE)), ("delete_all", (USUAL, ALL_THREE))]
)
def test_counts_do_not_depend_on_the_client(
    strategy: str, clients: tuple[Client, ...], server: Server, tmp_path: Path
) -> None:
    """Statements, connections and transactions per test come from the application; every client has the same."""
    cells = [a_cell(server, tmp_path, strategy, client, "named") for client in clients]
    assert {cell.status for cell in cells} == {"finished"}
    assert {cell.condition for cell in cells} == {"named"}
    assert {witnesses(cell.samples) for cell in cells} == {witnesses(cells[0].samples)}
    assert set(cells[0].samples.outcomes) == {PASSED}


@pytest.mark.parametrize(
    ("strategy", "client"),
    [
        ("savepoint_shared_connection", PSYCOPG),
        ("schema_per_test", PSYCOPG),
        ("truncate_dirty", PSYCOPG),
        ("baseline_restore", ALL_THREE),
    ],
)
def test_what_a_strategy_cannot_it_declares(strategy: str, client: Client, server: Server, tmp_path: Path) -> None:
    """No test fails under a client, unless the strategy names it in `cannot`; then tests fail."""
    failures = a_cell(server, tmp_path, strategy, client).failures
    assert bool(failures) == bool(load(strategy).why_not(client)), failures


@pytest.mark.parametrize(
    ("strategy", "client", "outcomes", "error"),
    [
        ("module_engine_function_loops", PSYCOPG, ".LLLLLL", "LeakedRowsError: an earlier test left rows"),
        ("session_engine_function_loops", PSYCOPG, ".LLLLLL", "LeakedRowsError: an earlier test left rows"),
        ("pre_ping_function_loops", PSYCOPG, ".......", ""),
        ("module_engine_function_loops", UVLOOP, ".EEEEEE", "RuntimeError: unable to perform operation on <"),
        ("session_engine_function_loops", UVLOOP, "EEEEEEE", "attached to a different loop"),
        ("module_engine_function_loops", ANYIO, ".EEEEEE", "attached to a different loop"),
        ("session_engine_function_loops", ANYIO, ".LLLLLL", "LeakedRowsError: an earlier test left rows"),
        ("pre_ping_function_loops", ANYIO, ".E.E.E.", "attached to a different loop"),
    ],
)
def test_traps_under_other_clients(  # noqa: PLR0917 - each is a column of the table above, or a fixture
    strategy: str, client: Client, outcomes: str, error: str, server: Server, tmp_path: Path
) -> None:
    """Traps work or fail under other clients as the table in docs/event-loops.md says."""
    assert isinstance(load(strategy).declared, Trap)
    cell = a_cell(server, tmp_path, strategy, client)
    assert cell.samples.outcomes == outcomes
    assert error in "".join(f"{failure.type}: {failure.message}" for failure in cell.failures)


SLEEPS = '''
"""A slow fixture of session scope."""
import asyncio

import pytest_asyncio
from strategies.savepoint_rollback import db_engine, session_factory, strategy


@pytest_asyncio.fixture(scope="session", loop_scope="session", autouse=True)
async def sleeps():
    await asyncio.sleep(0.5)
    yield
    await asyncio.sleep(0.5)
'''


def test_wide_fixtures_are_told_apart_under_anyio(server: Server, tmp_path: Path) -> None:
    """The time of an async fixture of session scope is in no test's phase, whichever plugin runs it."""
    strategy = tmp_path / "sleeps.py"
    strategy.write_text(SLEEPS.lstrip())
    cell = a_cell(server, tmp_path, strategy, ANYIO)
    assert cell.samples.outcomes == PASSED * SIZE.tests
    assert min(cell.session_setup, cell.session_teardown) > 0.5
    assert max(cell.samples.setup[0], cell.samples.teardown[-1]) < 0.5


STRATEGY = """
    import asyncio
    import pytest_asyncio
    from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
    from bench import Strategy

    strategy = Strategy(test_loop_scope="session", fixture_loop_scope="session")
    seen = []

    def see():
        seen.append(type(asyncio.get_running_loop()).__module__)

    @pytest_asyncio.fixture(scope="session", loop_scope="session")
    async def db_engine(migrated_database_url):
        see()
        engine = create_async_engine(migrated_database_url)
        yield engine
        await engine.dispose()

    @pytest_asyncio.fixture(loop_scope="session")
    async def session_factory(db_engine):
        see()
        return async_sessionmaker(db_engine, expire_on_commit=False)
"""

TEST = """
    import my_strategy

    async def test_loop(db_session):
        my_strategy.see()

    def test_all_were_seen():
        assert my_strategy.seen == ["uvloop"] * 3
"""


def under(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, client: Client) -> pytest.RunResult:
    """Run the tests of a folder like those of the harness, with a client."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv(LOOP, client.loop)
    pytester.makeini("[pytest]\nasyncio_mode = auto")
    declared = Strategy(test_loop_scope="session", fixture_loop_scope="session")
    return pytester.runpytest_subprocess(*pytest_options(client), *arguments_for_pytest("my_strategy", (), declared))


@pytest.mark.parametrize("client", [UVLOOP, replace(UVLOOP, runner="anyio")], ids=lambda client: client.runner)
def test_tests_and_fixtures_run_in_uvloop(
    client: Client, pytester: pytest.Pytester, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under --loop uvloop a test and async fixtures of function and session scope run in a loop of uvloop's."""
    monkeypatch.setenv(DATABASE_URL, database_url)
    pytester.makepyfile(my_strategy=STRATEGY, test_it=TEST)
    under(pytester, monkeypatch, client).assert_outcomes(passed=2)


def test_fixture_of_a_conftest_does_not_pass_for_the_strategys_under_anyio(
    pytester: pytest.Pytester, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scope of an async fixture is known although anyio wraps its function."""
    monkeypatch.setenv(DATABASE_URL, database_url)
    pytester.makeconftest("import pytest\n@pytest.fixture\nasync def session_factory(): return None")
    pytester.makepyfile(my_strategy=STRATEGY, test_it=TEST)
    result = under(pytester, monkeypatch, ANYIO)
    result.stdout.fnmatch_lines(["*session_factory of my_strategy is not used: conftest overrides it*"])


LEASES = """
    import asyncio
    import pytest

    loops = {}

    @pytest.fixture
    async def narrow():
        return asyncio.get_running_loop()

    @pytest.fixture(scope="class")
    async def wide():
        yield

    async def test_alone():
        loops["alone"] = asyncio.get_running_loop()

    async def test_with_fixture(narrow):
        assert asyncio.get_running_loop() is narrow
        assert asyncio.get_running_loop() is not loops["alone"]

    class TestWide:
        async def test_asks_for_it(self, wide):
            loops["wide"] = asyncio.get_running_loop()

        async def test_does_not(self):
            assert asyncio.get_running_loop() is loops["wide"]

    async def test_after_it():
        assert asyncio.get_running_loop() is not loops["wide"]
"""


def test_anyios_loop_lives_as_long_as_its_fixtures(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """As docs/event-loops.md says: with a wide async fixture all tests share one loop, otherwise each has its own."""
    pytester.makepyfile(my_strategy=STRATEGY, test_it=LEASES)
    under(pytester, monkeypatch, ANYIO).assert_outcomes(passed=5)
