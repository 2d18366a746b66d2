"""
Canaries: what `bench/worker` relies on inside other packages, beyond their documented interface, is still there.

`nox -s compatibility` and `nox -s lowest` run these tests on every supported version. A failure names what has moved.
"""

import asyncio
from typing import Any, ClassVar

import asyncpg
import asyncpg.protocol
import pytest
from sqlalchemy import make_url
from sqlalchemy.engine.default import DefaultDialect

from bench.server import Server
from bench.worker.postgres_wire import ReportingTransport


class Spy(asyncpg.protocol.Protocol):
    """Notes which of the methods that `ReportingProtocol` overrides are called."""

    called: ClassVar[set[str]] = set()

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - depends on the event loop
        """Note it, and wrap the transport."""
        self.called.add("connection_made")
        super().connection_made(ReportingTransport(transport, lambda _: self.called.add("transport.write")))

    def data_received(self, data: Any) -> None:  # noqa: ANN401 - bytes or a buffer
        """Note it."""
        self.called.add("data_received")
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note it."""
        self.called.add("connection_lost")
        super().connection_lost(exc)


@pytest.fixture(scope="module")
def called(server: Server) -> set[str]:
    """The methods of the protocol that asyncpg used for one connection."""

    async def connect() -> None:
        connection = await asyncpg.connect(server.admin_dsn)
        await connection.fetchval("SELECT 1")
        await connection.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncpg.protocol, "Protocol", Spy)
        asyncio.run(connect())
    return Spy.called


def test_asyncpg_looks_up_its_protocol(called: set[str]) -> None:
    """A class put in the place of `asyncpg.protocol.Protocol` is used."""
    assert called, (
        "asyncpg.connect does not look up asyncpg.protocol.Protocol any more: "
        "report_connections in bench/worker/postgres_wire.py must replace what it looks up now"
    )


@pytest.mark.parametrize("name", ["connection_made", "data_received", "connection_lost", "transport.write"])
def test_asyncpg_calls_the_protocol(name: str, called: set[str]) -> None:
    """A subclass in Python sees everything that is sent and received, and the end of the connection."""
    assert name in called, (
        f"asyncpg does not call {name} on its Protocol any more: ReportingProtocol and ReportingTransport in "
        "bench/worker/postgres_wire.py must override what it calls now"
    )


CONFTEST = """
    import pytest

    runners = {}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(fixturedef):
        runners[fixturedef.argname] = yield
        return runners[fixturedef.argname]

    def pytest_fixture_post_finalizer(fixturedef):
        runners.pop(fixturedef.argname, None)

    @pytest.fixture(name="runners")
    def give_runners():
        return runners
"""


@pytest.mark.parametrize("scope", ["function", "class", "module", "package", "session"])
def test_pytest_asyncio_has_a_runner_fixture(scope: str, pytester: pytest.Pytester) -> None:
    """The loop of each scope is made by a fixture `_<scope>_scoped_runner`, whose value has `get_loop()`."""
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function")
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(f"""
        import asyncio, pytest

        class TestIt:
            @pytest.mark.asyncio(loop_scope="{scope}")
            async def test_loop(self, runners):
                assert runners["_{scope}_scoped_runner"].get_loop() is asyncio.get_running_loop()

            def test_end(self, runners):
                assert ("_{scope}_scoped_runner" in runners) is {scope != "function"}
    """)
    outcomes = pytester.runpytest_subprocess("-p", "no:anyio").parseoutcomes()
    assert outcomes == {"passed": 2}, (
        f"pytest-asyncio does not keep its loop in the fixture _{scope}_scoped_runner with get_loop() any more: "
        "Tracer.pytest_fixture_setup in bench/worker/tracer.py must find it where it is now"
    )


def test_async_fixtures_unwrap_to_what_was_written(pytester: pytest.Pytester) -> None:
    """`inspect.unwrap` leads from the function that pytest-asyncio runs to the one in the module."""
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function")
    pytester.makeconftest("""
        import inspect, sys, pytest

        @pytest.hookimpl(wrapper=True)
        def pytest_fixture_setup(fixturedef):
            if fixturedef.argname == "written":
                own = inspect.unwrap(vars(sys.modules["test_it"])["written"])
                assert inspect.unwrap(fixturedef.func) is own
            return (yield)
    """)
    pytester.makepyfile(
        test_it="""
            import pytest_asyncio

            @pytest_asyncio.fixture
            async def written():
                yield

            async def test_it(written):
                pass
        """
    )
    outcomes = pytester.runpytest_subprocess("-p", "no:anyio").parseoutcomes()
    assert outcomes == {"passed": 1}, (
        "an async fixture does not unwrap to the written function any more: "
        "_check_origin in bench/worker/fixtures.py must compare something else"
    )


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_sqlalchemy_begins_in_the_default_dialect(driver: str) -> None:
    """A transaction begins by `DefaultDialect.do_begin`, which no dialect that is measured overrides."""
    dialect = make_url(f"postgresql+{driver}://").get_dialect()
    assert dialect.do_begin is DefaultDialect.do_begin, (
        f"SQLAlchemy's {driver} dialect overrides DefaultDialect.do_begin: "
        "Meters in bench/worker/recorder.py must wrap what it calls now"
    )
