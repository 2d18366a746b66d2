"""`adopt` turns a strategy into a readable conftest.py that runs without the harness."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.adopt.assemble import adopted
from bench.adopt.module_source import read_source
from bench.adopt.selection import ALEMBIC_FIXTURES, HARNESS_FIXTURES
from bench.results.errors import UserError
from bench.results.paths import ROOT
from bench.server import Server
from bench.strategy.declaration import FLOOR, TWIN, Trap
from bench.strategy.discovery import load, names_in_tree, peers_in_tree
from bench.strategy.loaded import loop_scope_options
from tests.adopt.adopted_project import TESTS_OF_PROJECT, add_migrations, by_migrations, write_project
from tests.conftest import Command, assert_one_line
from tests.servers import PATIENCE
from tests.strategies.test_contract import databases


def adoptable(name: str) -> bool:
    """Return whether a strategy can run and is not for benchmarking only."""
    return not (isinstance(load(name).declared, Trap) or load(name).unable or name in {FLOOR, TWIN})


STRATEGIES = [name for name in names_in_tree() if adoptable(name)]
PEERS = [name for name in peers_in_tree() if adoptable(name)]
REFUSED = [name for name in (*names_in_tree(), *peers_in_tree()) if not adoptable(name)]

OF_A_USER = '''
r"""Give each test \\d databases."""

import json

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from bench import Strategy
from strategies.null_pool import db_engine

__all__ = ["db_engine"]

strategy = Strategy(core=False)  # goes

# This stays,
NUMBERS = json.loads('{"one": 1}')  # and this.
"""As does this."""
{more}

@pytest.fixture
def session_factory(db_engine: object) -> async_sessionmaker[AsyncSession]:
    """Sessions of its own."""
    return async_sessionmaker(expire_on_commit=False)


@pytest.fixture
def client() -> str:
    """A client of its own."""
    return "mine"
'''


def of_a_user(folder: Path, more: str = "") -> str:
    """Write a strategy outside the repository, named after its folder, and return its path."""
    path = folder / f"{folder.name}.py"
    path.write_text(OF_A_USER.replace("{more}", more).lstrip())
    return str(path)


def run(folder: Path, *arguments: object) -> str:
    """Run a Python module with only this folder on its path, and return its output."""
    kept = {name: value for name, value in os.environ.items() if not re.match("PYTHON|PYTEST|LOOPTRAP", name)}
    command = [sys.executable, "-P", "-m", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def assert_tests_pass(folder: Path, server: Server, *options: object) -> None:
    """Assert that all tests of the project pass without warnings, and leave no database behind."""
    printed = run(folder, "pytest", "-p", "no:cacheprovider", "-W", "error", *options)
    assert f"{TESTS_OF_PROJECT} passed" in printed, printed
    assert databases(server, "test_") == []


@pytest.mark.parametrize("name", STRATEGIES)
def test_project_that_has_never_heard_of_the_harness(name: str, tmp_path: Path, server: Server) -> None:
    """An adopted conftest.py, with its EDIT lines filled in, isolates the tests of another application."""
    conftest = adopted(name)
    write_project(tmp_path, conftest, server.admin_dsn)
    if "alembic_config" in conftest.text:
        add_migrations(tmp_path)
    assert_tests_pass(tmp_path, server)


def test_two_workers(tmp_path: Path, server: Server) -> None:
    """Each worker of pytest-xdist gets its own database, even if the strategy does not provide one."""
    write_project(tmp_path, adopted("create_drop"), server.admin_dsn)
    assert_tests_pass(tmp_path, server, "-n", 2)


def test_schema_by_alembic(tmp_path: Path, server: Server) -> None:
    """The lambda in the comment of `migrate` creates the schema by the project's migrations."""
    write_project(tmp_path, by_migrations(adopted("savepoint_rollback")), server.admin_dsn)
    add_migrations(tmp_path)
    assert_tests_pass(tmp_path, server)


@pytest.mark.parametrize("name", PEERS)
def test_peer(name: str, tmp_path: Path, server: Server) -> None:
    """Every peer can be adopted; where its package is installed, the project's tests pass."""
    conftest = adopted(name)
    ast.parse(conftest.text)
    peer = load(name).declared.peer
    if peer is None or not peer.version:
        pytest.skip(f"the package of {name} is installed only in the peers' environment")
    write_project(tmp_path, conftest, server.admin_dsn)
    if "alembic_config" in conftest.text:
        add_migrations(tmp_path)
    assert_tests_pass(tmp_path, server)


def test_files_are_as_ruff_wants_them(tmp_path: Path) -> None:
    """The linter finds no problem, and the formatter changes nothing."""
    for name in (*STRATEGIES, *PEERS):
        (tmp_path / f"conftest_{name}.py").write_text(adopted(name).text)
    options = ("--isolated", "--no-cache", "--line-length", 120)
    run(tmp_path, "ruff", "check", "--select", "F,E,I,B", *options)
    run(tmp_path, "ruff", "format", "--check", *options)


@pytest.mark.parametrize("name", [*STRATEGIES, *PEERS])
def test_what_was_measured_is_what_is_pasted(name: str) -> None:
    """The strategy's own code is unchanged, its declaration is gone, and the harness is named only once."""
    loaded, conftest = load(name), adopted(name).text
    code = conftest.partition('\n"""\n')[2]
    functions = [block.text for block in read_source(loaded.path).blocks if block.is_definition]
    assert functions
    for text in functions:
        assert text.replace('os.environ["LOOPTRAP_ADMIN_DSN"]', "DSN") in code
    assert "Strategy(" not in code
    assert not re.search(r"looptrap|\bbench\b|\bstrategies\b", code, re.IGNORECASE)
    assert re.findall("looptrap.*", conftest) == [re.findall("looptrap.*", conftest)[0]]


@pytest.mark.parametrize("name", ["savepoint_rollback", "null_pool"])
def test_docstring_says_where_it_is_from_and_what_to_do(name: str) -> None:
    """The docstring has the strategy's own text, its hash, what it hides, what to install, and the ini options."""
    loaded, docstring = load(name), ast.get_docstring(ast.parse(adopted(name).text)) or ""
    in_a_line = " ".join(docstring.split())
    assert docstring.startswith(loaded.summary)
    assert "Use it when " in docstring
    assert f"strategies/{name}.py (source_sha256 {loaded.facts().source_sha256[:12]})" in in_a_line
    assert ", ".join(loaded.facts().hides) in in_a_line
    assert "sqlalchemy[asyncio]>=" in in_a_line
    assert "alembic" not in in_a_line
    for option, scope in loop_scope_options(loaded.declared).items():
        assert f'    {option} = "{scope}"\n' in f"{docstring}\n"


def test_fixtures_have_the_names_of_the_harness() -> None:
    """Every fixture of the harness that a strategy may request has a counterpart of the same name."""
    plugin = read_source(ROOT / "bench" / "worker" / "fixtures.py")
    originals = {name for block in plugin.blocks if block.is_fixture for name in block.names}
    counterparts = {
        name
        for file in (HARNESS_FIXTURES, ALEMBIC_FIXTURES)
        for block in read_source(file).blocks
        if block.is_fixture
        for name in block.names
    }
    # These serve only the harness's own application, and its other runner of async tests.
    assert originals - counterparts == {"ballast", "app_with_sessions", "anyio_backend"}
    assert counterparts <= originals


def test_strategy_of_a_user(tmp_path: Path) -> None:
    """A path works; imported fixtures are included, comments stay, and the strategy's own client is used."""
    conftest = adopted(of_a_user(tmp_path)).text
    assert "Give each test \\\\d databases." in conftest
    assert f"from {tmp_path.name}.py (" in " ".join(conftest.split())
    assert '# This stays,\nNUMBERS = json.loads(\'{"one": 1}\')  # and this.\n"""As does this."""\n' in conftest
    assert "def db_engine(migrated_database_url: str)" in conftest
    assert conftest.count("def client(") == 1
    assert 'return "mine"' in conftest
    assert "httpx" not in conftest
    assert "goes" not in conftest


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('DSN = "mine"', "DSN means one thing in its file and another in a module that it uses"),
        ("from json import loads as make_url\n\nURL = make_url(b'{}')", "make_url means one thing in its file"),
        (
            "from bench.server import Server\n\nKIND = Server",
            "Server of bench.server, which exists only in the harness",
        ),
        ("SCOPE = strategy.test_loop_scope", "uses its own declaration"),
        ("FOLDER = __file__", "__file__ is supported only in Path(__file__).with_name"),
        ("def lazy() -> None:\n    import bench", "imports from the harness"),
        ("@pytest.fixture\ndef metadata(metadata: object) -> object:\n    return metadata", "its fixture metadata"),
    ],
)
def test_strategy_that_cannot_be_adopted(more: str, words: str, tmp_path: Path) -> None:
    """A strategy that needs the harness, or whose names clash with those of its helpers, is refused with the reason."""
    with pytest.raises(UserError, match=f"^{tmp_path.name} cannot be adopted: .*{re.escape(words)}"):
        adopted(of_a_user(tmp_path, more))


def test_plugins_are_not_loaded_twice(tmp_path: Path) -> None:
    """Plugins that pytest finds by their entry points are dropped, since naming them again is an error; others stay."""
    path = of_a_user(tmp_path, 'pytest_plugins = ["strategies._databases", "xdist.plugin", "acme.databases"]')
    assert 'pytest_plugins = ["acme.databases"]\n' in adopted(path).text
    assert "pytest_plugins" not in adopted("pytest_sqla").text
    assert 'pytest_plugins = ["testsuite.pytest_plugin", ' in adopted("yandex_taxi_testsuite").text


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    """Traps, the floor, its twin, and peers that cannot run are refused with the reason that their files give."""
    loaded = load(name)
    with pytest.raises(
        UserError, match=re.escape(loaded.unable) if loaded.unable else "benchmarking only. Do not use it: .*"
    ):
        adopted(name)


def test_command_prints_or_writes(looptrap: Command, tmp_path: Path) -> None:
    """Without --out the file alone is printed; with it the file is written, and its instructions are printed."""
    printed = looptrap("adopt", "null_pool")
    assert printed.stdout == adopted("null_pool").text
    written = looptrap("adopt", "null_pool", "-o", tmp_path / "conftest.py")
    assert (tmp_path / "conftest.py").read_text() == printed.stdout
    assert written.stdout == f"wrote {tmp_path / 'conftest.py'}\n\n{adopted('null_pool').instructions}\n"
    assert "To use it, change the lines marked EDIT, install " in written.stdout
    assert 'asyncio_default_test_loop_scope = "function"' in written.stdout


def test_command_refuses(looptrap: Command, tmp_path: Path) -> None:
    """No file is overwritten, and none is made from a trap."""
    path = tmp_path / "conftest.py"
    assert_one_line(looptrap("adopt", "control_fully", "-o", path), "Do not use it: ", "savepoint_rollback")
    assert not path.exists()
    path.write_text("precious")
    assert_one_line(looptrap("adopt", "null_pool", "-o", path), "exists already", "--out")
    assert path.read_text() == "precious"
    assert_one_line(looptrap("adopt", "null_pool", "-o", path / "below"), "cannot write", "--out")
