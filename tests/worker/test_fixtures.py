"""The plugin of every measured process: the fixtures that it provides, and the checks of the contract."""

import pytest

from bench.results.paths import ROOT
from bench.worker.protocol import CONTRACT_BROKEN, DATABASE_URL

STRATEGY = """
    import pytest
    import pytest_asyncio
    from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
    from bench import Strategy

    strategy = Strategy(test_loop_scope="session", fixture_loop_scope="session")

    @pytest_asyncio.fixture(scope="session", loop_scope="session")
    async def db_engine(migrated_database_url):
        engine = create_async_engine(migrated_database_url)
        yield engine
        await engine.dispose()

    @pytest.fixture
    def session_factory(db_engine):
        return async_sessionmaker(db_engine, expire_on_commit=False)
"""

SCOPES = ("-oasyncio_default_test_loop_scope=session", "-oasyncio_default_fixture_loop_scope=session")


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A user's folder from which the harness can be imported."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function")
    return pytester


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Run pytest in a subprocess, with the harness's plugins and the project's strategy."""
    plugins = ("-p", "pytest_asyncio.plugin", "-p", "bench.worker.fixtures", "-p", "my_strategy")
    return project.runpytest_subprocess(*plugins, *arguments)


def test_strategy_gets_a_database_and_tests_get_sessions(
    project: pytest.Pytester, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The strategy gets a URL; from its session factory the plugin derives `db_session` and `client`."""
    monkeypatch.setenv(DATABASE_URL, database_url)
    project.makepyfile(
        my_strategy=STRATEGY,
        test_it="""
            from sqlalchemy import text

            async def test_session(db_session):
                assert await db_session.scalar(text("SELECT count(*) FROM countries")) == 6

            async def test_client(client):
                answer = await client.get("/countries")
                assert [country["code"] for country in answer.json()] == ["BR", "DE", "IN", "JP", "KE", "US"]
        """,
    )
    run(project, *SCOPES).assert_outcomes(passed=2)


def test_wrong_loop_scopes_are_refused_with_the_correct_command(project: pytest.Pytester) -> None:
    """Under other loop scopes than the declared ones the process ends before the first test, and prints the command."""
    project.makepyfile(my_strategy=STRATEGY, test_it="async def test_it(db_session): pass")
    result = run(project)
    assert result.ret == CONTRACT_BROKEN
    scopes = "-oasyncio_default_test_loop_scope=session -oasyncio_default_fixture_loop_scope=session"
    said = result.stderr.str()
    assert "declares asyncio_default_test_loop_scope=session, but pytest runs with function" in said
    assert f"Run: python -m pytest -p bench.worker.fixtures -p my_strategy {scopes} bench/workload" in said


def test_conftest_must_not_override_the_strategys_fixture(
    project: pytest.Pytester, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A conftest's fixture silently overrides a plugin's fixture of the same name; here that is an error."""
    monkeypatch.setenv(DATABASE_URL, database_url)
    project.makeconftest("import pytest\n@pytest.fixture\ndef session_factory(): return None")
    project.makepyfile(my_strategy=STRATEGY, test_it="async def test_it(db_session): pass")
    result = run(project, *SCOPES)
    assert result.ret == CONTRACT_BROKEN
    result.stdout.fnmatch_lines(["*session_factory of my_strategy is not used: conftest overrides it*"])


@pytest.mark.parametrize(
    ("factory", "words"),
    [
        ("db_engine", "returns AsyncEngine, not an async_sessionmaker"),
        ("async_sessionmaker(db_engine)", "lacks expire_on_commit=False"),
    ],
)
def test_session_factory_is_checked(
    project: pytest.Pytester, database_url: str, monkeypatch: pytest.MonkeyPatch, factory: str, words: str
) -> None:
    """A session factory of another type, or without the common option, is refused at first use."""
    monkeypatch.setenv(DATABASE_URL, database_url)
    strategy = STRATEGY.replace("async_sessionmaker(db_engine, expire_on_commit=False)", factory)
    project.makepyfile(my_strategy=strategy, test_it="async def test_it(db_session): pass")
    result = run(project, *SCOPES)
    assert result.ret == CONTRACT_BROKEN
    result.stdout.fnmatch_lines([f"*session_factory of my_strategy {words}*"])


def test_foreign_database_is_refused(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Strategies drop everything, so a database whose name does not begin with looptrap_ is refused."""
    monkeypatch.setenv(DATABASE_URL, "postgresql+asyncpg://localhost/production")
    project.makepyfile(my_strategy=STRATEGY, test_it="async def test_it(db_session): pass")
    result = run(project, *SCOPES)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*must name a database looptrap_*"])


def test_two_strategies_at_once_are_refused(project: pytest.Pytester) -> None:
    """Two strategies in one process would overwrite each other's fixtures."""
    project.makepyfile(my_strategy=STRATEGY, test_it="")
    result = run(project, *SCOPES, "-p", "strategies.none")
    assert result.ret == CONTRACT_BROKEN
    result.stderr.fnmatch_lines(["*only one strategy can be loaded at a time, not my_strategy and strategies.none*"])


LOOPS = """
    import asyncio
    {imports}

    seen = []

    @{fixture}
    async def wide():
        seen.append(("wide", id(asyncio.get_running_loop())))

    {narrow}
    async def narrow():
        seen.append(("narrow", id(asyncio.get_running_loop())))

    {mark}
    async def test_one(wide, narrow):
        seen.append(("one", id(asyncio.get_running_loop())))

    {mark}
    async def test_two(wide, narrow):
        seen.append(("two", id(asyncio.get_running_loop())))

    def test_all_ran_in_one_loop():
        names = [name for name, _ in seen]
        assert names == ["wide", "narrow", "one", "narrow", "two"]
        assert len(set(loop for _, loop in seen)) == 1
"""


def test_ini_lines_and_decorators_give_the_same_loops(project: pytest.Pytester) -> None:
    """Three ini lines have the same effect as `loop_scope=` on every fixture and test: one loop for all."""
    project.makepyfile(
        test_by_ini=LOOPS.format(
            imports="import pytest_asyncio",
            fixture='pytest_asyncio.fixture(scope="session")',
            narrow="@pytest_asyncio.fixture",
            mark="",
        ),
    )
    by_ini = project.runpytest_subprocess("-p", "pytest_asyncio.plugin", *SCOPES, "test_by_ini.py")
    by_ini.assert_outcomes(passed=3)
    project.makepyfile(
        test_by_decorator=LOOPS.format(
            imports="import pytest, pytest_asyncio",
            fixture='pytest_asyncio.fixture(scope="session", loop_scope="session")',
            narrow='@pytest_asyncio.fixture(loop_scope="session")',
            mark='@pytest.mark.asyncio(loop_scope="session")',
        ),
    )
    strict = ("-oasyncio_mode=strict", "-oasyncio_default_fixture_loop_scope=function")
    by_decorator = project.runpytest_subprocess("-p", "pytest_asyncio.plugin", *strict, "test_by_decorator.py")
    by_decorator.assert_outcomes(passed=3)


def test_without_ini_lines_or_decorators_the_loops_differ(project: pytest.Pytester) -> None:
    """The same tests with neither: each test gets its own loop, which is the cause of the trap."""
    project.makepyfile(
        test_it=LOOPS.format(
            imports="import pytest_asyncio",
            fixture='pytest_asyncio.fixture(scope="session", loop_scope="session")',
            narrow="@pytest_asyncio.fixture",
            mark="",
        ),
    )
    result = project.runpytest_subprocess("-p", "pytest_asyncio.plugin")
    result.assert_outcomes(passed=2, failed=1)
