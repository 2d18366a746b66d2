"""The recorder: each phase, fixture and test is billed what it used."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from bench.results.paths import ROOT
from bench.worker.recorder import describe_failure

# Far longer than anything else in these tests, so that a slow machine cannot hide what it was billed to.
PAUSE = 1.0


@pytest.fixture
def record(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:  # noqa: ANN401 - JSON
    """Run a test file under the recorder and return what it wrote."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    file = tmp_path / "record.json"

    def run(text: str) -> Any:  # noqa: ANN401 - JSON
        pytester.makepyfile(text)
        pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = session")
        spawned = f"--spawned={time.perf_counter()}"
        pytester.runpytest_subprocess(
            "-p", "pytest_asyncio.plugin", "-p", "bench.worker.recorder", f"--record={file}", spawned
        )
        return json.loads(file.read_text())

    return run


def test_wide_fixtures_are_not_billed_to_tests(record: Any) -> None:  # noqa: ANN401 - a function
    """Setup and teardown of slow session and module fixtures, sync and async, are billed separately."""
    found = record(f"""
        import asyncio, time
        import pytest, pytest_asyncio

        @pytest.fixture(scope="session")
        def sync_session():
            time.sleep({PAUSE})
            yield
            time.sleep({PAUSE})

        @pytest_asyncio.fixture(scope="module", loop_scope="session")
        async def async_module(sync_session):
            await asyncio.sleep({PAUSE})
            yield
            await asyncio.sleep({PAUSE})

        @pytest.fixture
        def narrow(async_module):
            yield

        async def test_one(narrow): pass
        async def test_two(narrow): pass
    """)
    assert found["session_setup"] >= 2 * PAUSE
    assert found["session_teardown"] >= 2 * PAUSE
    assert sum(found["setup"] + found["call"] + found["teardown"]) < PAUSE


def test_phases_of_a_test_are_separate(record: Any) -> None:  # noqa: ANN401 - a function
    """The time of a function-scoped fixture is setup and teardown of its own test, and of no other."""
    found = record(f"""
        import time
        import pytest

        @pytest.fixture
        def slow():
            time.sleep({PAUSE})
            yield
            time.sleep({2 * PAUSE})

        def test_plain(): pass
        def test_slow(slow): time.sleep({3 * PAUSE})
    """)
    assert all(found[phase][0] < PAUSE for phase in ("setup", "call", "teardown"))
    for phase, pause in (("setup", PAUSE), ("call", 3 * PAUSE), ("teardown", 2 * PAUSE)):
        assert pause <= found[phase][1] < pause + PAUSE
    assert found["session_setup"] < PAUSE


def test_outcomes_and_failures(record: Any) -> None:  # noqa: ANN401 - a function
    """Each test has a letter, equal failures are stored once, and a leak differs from a failure of the test itself."""
    found = record("""
        import pytest
        from bench.workload.slate import LeakedRowsError

        @pytest.fixture
        def broken(): raise RuntimeError("at <x> 0x7f00")

        @pytest.fixture
        def dirty(record_property): record_property("dirty_tables", 3)

        def test_passes(): pass
        def test_fails(): assert 1 == 2
        def test_errs(broken): pass
        def test_errs_again(broken): pass
        def test_leaks(dirty): raise LeakedRowsError("rows")
    """)
    assert found["outcomes"] == list(".FEEL")
    assert found["leaked"] == [-1, -1, -1, -1, 3]
    assert found["failure"] == [-1, 0, 1, 1, 2]
    assert [failure["type"] for failure in found["failures"]] == ["AssertionError", "RuntimeError", "LeakedRowsError"]


def test_statements_and_connections_are_counted_per_test(record: Any) -> None:  # noqa: ANN401 - a function
    """SQLAlchemy's statements and connections are billed to the test that caused them, not those of wider fixtures."""
    found = record("""
        import pytest
        from sqlalchemy import create_engine, text

        @pytest.fixture(scope="session")
        def wide():
            with create_engine("sqlite://").connect() as connection:
                for _ in range(5): connection.execute(text("SELECT 1"))

        def test_one(wide):
            with create_engine("sqlite://").connect() as connection:
                connection.execute(text("SELECT 1"))
                connection.execute(text("SELECT 2"))

        def test_two(wide): pass
    """)
    assert found["statements"] == [2, 0]
    assert found["connections"] == [1, 0]
    assert found["transactions"] == [1, 0]


def test_processor_time_and_memory_per_test(record: Any) -> None:  # noqa: ANN401 - a function
    """Work counts as processor time; waiting and wider fixtures do not. Memory is the peak so far."""
    found = record(f"""
        import time
        import pytest

        def work():
            end = time.process_time() + {PAUSE}
            while time.process_time() < end: pass

        @pytest.fixture(scope="session")
        def wide(): work()

        def test_waits(wide): time.sleep({PAUSE})
        def test_works(): work()
        def test_takes_memory(): assert len(bytearray(200_000_000)) > 0
    """)
    waits, works, _ = found["cpu"]
    assert waits < PAUSE / 2
    assert PAUSE <= works < 2 * PAUSE
    before, still, after = found["peak_memory"]
    assert 10_000_000 < before <= still < after - 150_000_000


def test_idle_without_record(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `--record` the recorder is not registered."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makepyfile("def test_it(request): assert not request.config.pluginmanager.has_plugin('looptrap-recorder')")
    pytester.runpytest_subprocess("-p", "bench.worker.recorder").assert_outcomes(passed=1)


def test_equal_failures_have_equal_descriptions() -> None:
    """Two errors that differ only in task names, addresses and lines get the same description."""
    message = (
        "Task <Task pending name='Task-{0}' coro=<session_factory.<locals>.setup() running at /x/plugin.py:{0}> "
        "cb=[_run_until_complete_cb() at /usr/lib/python3.11/asyncio/base_events.py:181]> got Future "
        "<Future pending cb=[BaseProtocol._on_waiter_completed()]> attached to a different loop"
    )
    first, second = (describe_failure("setup", RuntimeError(message.format(number))) for number in (12, 345))
    assert first == second
    assert first.message == "Task <Task> got Future <Future> attached to a different loop"
