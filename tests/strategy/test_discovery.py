"""Strategies are found by name or path; a file that breaks the contract gets a clear error message."""

import shutil
import textwrap
from pathlib import Path

import pytest

from bench.results.errors import UserError
from bench.strategy.discovery import STRATEGIES, load, load_all, names_in_tree, references_in

GOOD = '''
"""Do nothing at all."""
import pytest
from bench import Strategy

strategy = Strategy(test_loop_scope="session", fixture_loop_scope="session")

@pytest.fixture
def session_factory():
    return None
'''


def write(folder: Path, name: str, text: str) -> str:
    """Write a strategy file and return its path as a user would give it."""
    path = folder / f"{name}.py"
    path.write_text(textwrap.dedent(text).strip() + "\n")
    return str(path)


def refusal(*references: str) -> str:
    """Return the one-line error message that loading these strategies gives."""
    with pytest.raises(UserError) as caught:
        load_all(references)
    message = str(caught.value)
    assert "\n" not in message
    return message


NOT_CORE = '''
"""Not in a default run."""
from strategies.null_pool import db_engine, session_factory
from bench import Strategy

strategy = Strategy(core=False)
'''


def test_sets_stand_for_their_strategies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`all` has every strategy, `core` those with core=True; sets and names can be mixed, without duplicates."""
    (tmp_path / "strategies").mkdir()
    for name in ("none", "null_pool"):
        shutil.copy(STRATEGIES / f"{name}.py", tmp_path / "strategies")
    (tmp_path / "strategies" / "seldom.py").write_text(NOT_CORE.lstrip())
    monkeypatch.setattr("bench.strategy.discovery.STRATEGIES", tmp_path / "strategies")
    monkeypatch.setattr("strategies.__path__", [str(tmp_path / "strategies"), str(STRATEGIES)])
    assert references_in("core") == ["none", "null_pool"]
    assert references_in("all") == ["none", "null_pool", "seldom"]
    assert references_in("null_pool, core,./mine.py,seldom") == ["null_pool", "none", "./mine.py", "seldom"]


def test_list_without_a_strategy() -> None:
    """Commas alone name no strategy, which is an error."""
    with pytest.raises(UserError, match="names no strategy"):
        references_in(" , ")


@pytest.mark.parametrize("name", names_in_tree())
def test_every_file_in_the_tree_keeps_the_contract(name: str) -> None:
    """Every packaged strategy loads, and its file is short."""
    loaded = load(name)
    assert loaded.name == name
    assert loaded.summary.endswith(".")
    assert len(loaded.path.read_text().splitlines()) <= (125 if name == "baseline_restore" else 80)


def test_summary_is_the_docstrings_first_line() -> None:
    """The summary that --list shows is the first line of the docstring."""
    assert load("savepoint_rollback").summary == "Wrap each test in an outer transaction and roll it back."


def test_path_and_name_reach_the_same_file() -> None:
    """A path into strategies/ gives the same strategy as its name."""
    assert load(str(STRATEGIES / "none.py")) == load("none")


def test_path_outside_the_tree(tmp_path: Path) -> None:
    """A file outside the repository works; its stem is the name."""
    loaded = load(write(tmp_path, "outside_the_tree", GOOD))
    assert (loaded.name, loaded.module, loaded.import_from) == ("outside_the_tree", "outside_the_tree", tmp_path)


def test_dotted_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of an installed package works; its last part is the name."""
    package = tmp_path / "acme_for_test"
    package.mkdir()
    (package / "__init__.py").touch()
    write(package, "pg_strategy", GOOD)
    monkeypatch.syspath_prepend(str(tmp_path))
    loaded = load("acme_for_test.pg_strategy")
    assert (loaded.name, loaded.module) == ("pg_strategy", "acme_for_test.pg_strategy")


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("savepoint_rolback", ["did you mean savepoint_rollback"]),
        ("zzz", [", ".join(names_in_tree()), "--list"]),
        ("./nowhere.py", ["./nowhere.py does not exist"]),
        ("acme.nowhere", ["'acme.nowhere' is not installed"]),
    ],
)
def test_unknown_reference(reference: str, words: list[str]) -> None:
    """A typing error gets the nearest name, other names get all; a missing file or package is named."""
    message = refusal(reference)
    assert all(part in message for part in words), message


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("does_not_import", '"""Broken."""\nimport no_such_library', "does not import: ModuleNotFoundError"),
        ("has_bad_syntax", '"""Broken."""\nimport (', "does not import: SyntaxError"),
        ("no_docstring", GOOD.replace('"""Do nothing at all."""', ""), "has no docstring"),
        ("no_strategy", GOOD.replace("strategy = ", "plan = "), "has no `strategy`"),
        ("no_factory", GOOD.replace("session_factory", "factory"), "provides no `session_factory`"),
        ("bad_scope", GOOD.replace('test_loop_scope="session"', 'test_loop_scope="sesion"'), "'sesion' is not one of"),
        ("bad_probe", GOOD.replace("Strategy(", "Strategy(hides={'notfy'}, "), "notfy"),
        ("bare_trap", GOOD.replace("Strategy", "Trap"), "is a trap without an error"),
        (
            "odd_trap",
            GOOD.replace("import Strategy", "import ExpectedError, Trap").replace(
                "Strategy(", "Trap(errors=[ExpectedError('E', 'w')], failures='sometimes', "
            ),
            "failures='sometimes' is not one of",
        ),
        ("Shouting", GOOD, "use lower case"),
    ],
)
def test_file_that_breaks_the_contract(tmp_path: Path, name: str, text: str, words: str) -> None:
    """Each violation of the contract gives one line that names the file and the problem."""
    message = refusal(write(tmp_path, name, text))
    assert words in message
    assert f"{name}.py" in message


def test_two_with_one_name(tmp_path: Path) -> None:
    """Two files with the same stem are refused, since results could not distinguish them."""
    (tmp_path / "elsewhere").mkdir()
    path = write(tmp_path / "elsewhere", "create_drop", GOOD)
    message = refusal("create_drop", path)
    assert "two strategies are named 'create_drop'" in message
    assert "elsewhere" in message


def test_path_that_hides_a_module(tmp_path: Path) -> None:
    """A file with the name of an installed module is refused, since it would replace that module."""
    assert "has the same name as the module" in refusal(write(tmp_path, "alembic", GOOD))


def test_facts_of_a_trap_repeat_its_declaration() -> None:
    """The facts for run.json match the declaration."""
    facts = load("pre_ping_function_loops").facts()
    assert facts.is_trap
    assert facts.expected_errors == (("RuntimeError", "attached to a different loop"),)
    assert facts.expected_failures == "alternates"


def test_source_is_all_that_a_strategy_is_made_of(tmp_path: Path) -> None:
    """The checksum changes with files that the strategy uses, directly or not, and not with other files."""
    for name in ("_shared.py", "_rows.sql", "_other.py"):
        (tmp_path / name).write_text("")
    (tmp_path / "_shared.py").write_text("ROWS = '_rows.sql'")
    path = write(tmp_path, "made_of_parts", GOOD.replace("import pytest\n", "import pytest\nimport _shared\n"))
    sums = [load(path).facts().source_sha256]
    for name in ("_other.py", "_shared.py", "_rows.sql"):
        with (tmp_path / name).open("a") as file:
            file.write("\n# changed\n")
        sums.append(load(path).facts().source_sha256)
    assert sums[0] == sums[1]
    assert len(set(sums)) == 3
