"""What `adopt` makes of a strategy: a conftest.py that runs where nothing of the harness is, and is good to read."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.adopt.assemble import GIVEN, adopted
from bench.adopt.module_source import read_source
from bench.results.errors import UserError
from bench.results.paths import ROOT
from bench.server import Server
from bench.strategy.declaration import FLOOR, TWIN, Trap, loop_scope_options
from bench.strategy.discovery import load, names_in_tree, peers_in_tree
from tests.adopt.adopted_project import TESTS_OF_PROJECT, add_migrations, by_migrations, write_project
from tests.conftest import Command, assert_one_line
from tests.servers import PATIENCE
from tests.strategies.test_contract import databases


def to_be_taken(name: str) -> bool:
    """Tell whether a strategy is for anybody to take, and can run."""
    return not (isinstance(load(name).declared, Trap) or load(name).unable or name in {FLOOR, TWIN})


STRATEGIES = [name for name in names_in_tree() if to_be_taken(name)]
PEERS = [name for name in peers_in_tree() if to_be_taken(name)]
REFUSED = [name for name in (*names_in_tree(), *peers_in_tree()) if not to_be_taken(name)]

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
    """Write a strategy that is not of the tree, named as its folder, and return its path."""
    path = folder / f"{folder.name}.py"
    path.write_text(OF_A_USER.replace("{more}", more).lstrip())
    return str(path)


def run(folder: Path, *arguments: object) -> str:
    """Run a module of Python in a folder, with no other one on its path, and return what it printed."""
    kept = {name: value for name, value in os.environ.items() if not re.match("PYTHON|PYTEST|LOOPTRAP", name)}
    command = [sys.executable, "-P", "-m", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def assert_tests_pass(folder: Path, server: Server, *options: object) -> None:
    """Assert that all tests of the project pass, with no warning, and that no database of theirs is left."""
    printed = run(folder, "pytest", "-p", "no:cacheprovider", "-W", "error", *options)
    assert f"{TESTS_OF_PROJECT} passed" in printed, printed
    assert databases(server, "test_") == []


@pytest.mark.parametrize("name", STRATEGIES)
def test_project_that_has_never_heard_of_the_harness(name: str, tmp_path: Path, server: Server) -> None:
    """With its EDIT places filled in, an adopted conftest.py isolates the tests of an application that is not ours."""
    conftest = adopted(name)
    write_project(tmp_path, conftest, server.admin_dsn)
    if "alembic_config" in conftest:
        add_migrations(tmp_path)
    assert_tests_pass(tmp_path, server)


def test_two_workers(tmp_path: Path, server: Server) -> None:
    """Each worker of pytest-xdist has a database of its own, even where the strategy itself does not see to that."""
    write_project(tmp_path, adopted("create_drop"), server.admin_dsn)
    assert_tests_pass(tmp_path, server, "-n", 2)


def test_schema_by_alembic(tmp_path: Path, server: Server) -> None:
    """The lambda in the comment of `migrate` makes the schema by the project's migrations."""
    write_project(tmp_path, by_migrations(adopted("savepoint_rollback")), server.admin_dsn)
    add_migrations(tmp_path)
    assert_tests_pass(tmp_path, server)


@pytest.mark.parametrize("name", PEERS)
def test_peer(name: str, tmp_path: Path, server: Server) -> None:
    """A peer's file becomes a conftest.py everywhere; where its package is installed, the project's tests pass."""
    conftest = adopted(name)
    ast.parse(conftest)
    peer = load(name).declared.peer
    if peer is None or not peer.version:
        pytest.skip(f"the package of {name} is in the peers' environment alone")
    write_project(tmp_path, conftest, server.admin_dsn)
    if "alembic_config" in conftest:
        add_migrations(tmp_path)
    assert_tests_pass(tmp_path, server)


def test_files_are_as_ruff_wants_them(tmp_path: Path) -> None:
    """Imports are sorted, none is unused, no line is too long, and the formatter would change nothing."""
    for name in (*STRATEGIES, *PEERS):
        (tmp_path / f"conftest_{name}.py").write_text(adopted(name))
    options = ("--isolated", "--no-cache", "--line-length", 120)
    run(tmp_path, "ruff", "check", "--select", "F,E,I,B", *options)
    run(tmp_path, "ruff", "format", "--check", *options)


@pytest.mark.parametrize("name", [*STRATEGIES, *PEERS])
def test_what_was_measured_is_what_is_pasted(name: str) -> None:
    """A strategy's own code is there as it is written, its declaration is not, and the harness is named once."""
    loaded, conftest = load(name), adopted(name)
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
    """It has the strategy's own docstring, the hash in its runs, what it hides, what to install, and the ini lines."""
    loaded, docstring = load(name), ast.get_docstring(ast.parse(adopted(name))) or ""
    in_a_line = " ".join(docstring.split())
    assert docstring.startswith(loaded.summary)
    assert "Take it when " in docstring
    assert f"strategies/{name}.py (source_sha256 {loaded.facts().source_sha256[:12]} in its runs)" in in_a_line
    assert ", ".join(loaded.facts().hides) in in_a_line
    assert "sqlalchemy[asyncio]>=" in in_a_line
    assert "alembic" not in in_a_line
    for option, scope in loop_scope_options(loaded.declared).items():
        assert f'    {option} = "{scope}"\n' in f"{docstring}\n"


def test_given_fixtures_are_those_of_the_harness() -> None:
    """Every fixture that stands in for one of the harness has its name, so a strategy finds what it asks for."""
    plugin = read_source(ROOT / "bench" / "plugin.py")
    there = {name for block in plugin.blocks if block.is_fixture for name in block.names}
    given = {
        name
        for file in ("given.py", "given_by_alembic.py")
        for block in read_source(GIVEN / file).blocks
        if block.is_fixture
        for name in block.names
    }
    # What the harness makes of these is of its own application, and of another runner of async tests.
    assert there - given == {"ballast", "app_with_sessions", "anyio_backend"}
    assert given <= there


def test_strategy_of_a_user(tmp_path: Path) -> None:
    """A path works; fixtures of other strategies come along, comments stay, and a client of its own is the one used."""
    conftest = adopted(of_a_user(tmp_path))
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
        ('DSN = "mine"', "DSN means one thing in it, and another in what it needs"),
        ("from json import loads as make_url\n\nURL = make_url(b'{}')", "make_url means one thing"),
        ("from bench.server import Server\n\nKIND = Server", "Server of bench.server, which stays behind"),
        ("SCOPE = strategy.test_loop_scope", "uses its declaration"),
        ("FOLDER = __file__", "of files only Path(__file__).with_name"),
        ("def lazy() -> None:\n    import bench", "imports from the harness"),
        ("@pytest.fixture\ndef metadata(metadata: object) -> object:\n    return metadata", "its fixture metadata"),
    ],
)
def test_what_cannot_be_taken_along(more: str, words: str, tmp_path: Path) -> None:
    """A strategy that needs what stays behind, or whose names clash with what it needs, is refused with the reason."""
    with pytest.raises(UserError, match=f"^{tmp_path.name} cannot be taken home: .*{re.escape(words)}"):
        adopted(of_a_user(tmp_path, more))


def test_plugins_are_not_loaded_twice(tmp_path: Path) -> None:
    """What pytest finds by an entry point is not named again, which would be an error; other plugins stay named."""
    path = of_a_user(tmp_path, 'pytest_plugins = ["strategies._databases", "xdist.plugin", "acme.databases"]')
    assert 'pytest_plugins = ["acme.databases"]\n' in adopted(path)
    assert "pytest_plugins" not in adopted("pytest_sqla")
    assert 'pytest_plugins = ["testsuite.pytest_plugin", ' in adopted("yandex_taxi_testsuite")


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    """A trap, the floor, its twin, and a peer that cannot run are refused, with what they say of themselves."""
    loaded = load(name)
    with pytest.raises(UserError, match=re.escape(loaded.unable) if loaded.unable else "Take it never: .*"):
        adopted(name)


def test_command_prints_or_writes(looptrap: Command, tmp_path: Path) -> None:
    """Printed it is the file and nothing else; --out writes it, and says what its docstring asks for."""
    printed = looptrap("adopt", "null_pool")
    assert printed.stdout == adopted("null_pool")
    written = looptrap("adopt", "null_pool", "-o", tmp_path / "conftest.py")
    assert (tmp_path / "conftest.py").read_text() == printed.stdout
    assert written.stdout.startswith(
        f"wrote {tmp_path / 'conftest.py'}\n\nTo use it, change what is marked EDIT, install "
    )
    assert 'asyncio_default_test_loop_scope = "function"' in written.stdout


def test_command_refuses(looptrap: Command, tmp_path: Path) -> None:
    """No file is written over, and none is made of a trap."""
    path = tmp_path / "conftest.py"
    assert_one_line(looptrap("adopt", "control_fully", "-o", path), "Take it never: ", "savepoint_rollback")
    assert not path.exists()
    path.write_text("precious")
    assert_one_line(looptrap("adopt", "null_pool", "-o", path), "is there already", "--out")
    assert path.read_text() == "precious"
    assert_one_line(looptrap("adopt", "null_pool", "-o", path / "below"), "cannot write", "--out")
