"""The tracer: how it shortens statements, and that it does not disturb what it traces."""

import pytest

from bench.results.paths import ROOT
from bench.worker.tracer import shortened


@pytest.mark.parametrize(
    ("statement", "short"),
    [
        ("BEGIN ISOLATION LEVEL SERIALIZABLE;", "BEGIN ISOLATION LEVEL SERIALIZABLE"),
        ("ROLLBACK TO SAVEPOINT sa_savepoint_1", "ROLLBACK TO SAVEPOINT sa_savepoint_1"),
        ("INSERT INTO customers (email)\n VALUES ($1) RETURNING id", "INSERT customers"),
        ("update only orders set x = 1", "UPDATE orders"),
        ("SELECT EXISTS (SELECT * FROM customers)", "SELECT customers"),
        ("-- first\nCREATE TABLE IF NOT EXISTS t (id int)", "CREATE TABLE t"),
        ("CREATE UNIQUE INDEX i ON t (id)", "CREATE INDEX i"),
        ('DROP DATABASE IF EXISTS "looptrap_x" WITH (FORCE)', "DROP DATABASE"),
        ("TRUNCATE customers, orders", "TRUNCATE customers"),
        ("WITH gone AS (DELETE FROM orders RETURNING 1) SELECT count(*) FROM gone", "WITH ... DELETE orders"),
        (";", ";"),
        (f"SELECT {'x' * 99}", f"SELECT {'x' * 29} ..."),
    ],
)
def test_statement_is_shortened(statement: str, short: str) -> None:
    """Transaction control is kept whole; of any other statement verb and first table, in 40 characters at most."""
    assert shortened(statement) == short


def test_tracer_keeps_no_loop_alive(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop of a finished test is garbage-collected."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function")
    pytester.makepyfile("""
        import asyncio, gc, weakref

        left = []

        async def test_one(request):
            assert request.config.pluginmanager.has_plugin("looptrap-tracer")
            left.append(weakref.ref(asyncio.get_running_loop()))

        async def test_two():
            gc.collect()
            assert left[0]() is None
    """)
    plugins = ("-p", "pytest_asyncio.plugin", "-p", "bench.worker.tracer", "--trace-loops=events.jsonl")
    pytester.runpytest_subprocess(*plugins).assert_outcomes(passed=2)
