"""Invalid input on the command line: one line that says what to do, exit code 2, and nothing left behind."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.results.files import RUN_FILE
from tests.conftest import Command, assert_one_line
from tests.results.test_files import RUN
from tests.strategy.test_discovery import GOOD, write

EMBEDDED = ("--server", "embedded", "--tests", 2, "--rounds", 1, "--no-check")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--strategies", "savepoint_rolback"], ["'savepoint_rolback'", "did you mean savepoint_rollback", "--list"]),
        (["--strategies", ","], ["--strategies", "create_drop"]),
        (["--tests", 0], ["--tests", "1<=x<=100000", "--help"]),
        (["--tests", 100_001], ["--tests", "1<=x<=100000"]),
        (["--tests", "many"], ["--tests", "'many' is not a valid integer"]),
        (["--rounds", 0], ["--rounds", "1<=x<=1000"]),
        (["--seed", -1], ["--seed", "0<=x<=4294967295"]),
        (["--budget", "soon"], ["'soon' is not a duration", "3m"]),
        (["--cell-timeout", 0], ["--cell-timeout"]),
        (["--sweep", "tests"], ["--sweep 'tests'", "tests, tables, rows", "tests=10,100,1000"]),
        (["--sweep", "tmpfs=yes,maybe"], ["'maybe' is not a value of tmpfs", "tmpfs=no,yes"]),
        (["--sweep", "server=embedded,cloud"], ["'cloud' is not a value of server", "embedded,container"]),
        (
            ["--sweep", "server=embedded,postgresql://u:secret@localhost/x"],
            ["a DSN cannot be swept", "server=embedded,container"],
        ),
        (["--sweep", "driver=asyncpg"], ["give at least two different values", "driver=asyncpg,psycopg"]),
        (["--sweep", "loop=uvloop,uvloop"], ["give at least two different values", "loop=asyncio,uvloop"]),
        (["--sweep", "pg=18,9"], ["'9' is not a value of pg"]),
        (["--sweep", "pg=18,12"], ["Postgres 12 is too old", "13 or later"]),
        (["--sweep", "setting:=on,off"], ["setting:NAME"]),
        (["--sweep", "tmpfs=no,yes", "--sweep", "tmpfs=yes,no"], ["tmpfs is swept twice"]),
        (["--sweep", "tmpfs=no,yes", "--tmpfs"], ["--tmpfs and --sweep tmpfs= contradict each other"]),
        (
            ["--setting", "fsync=off", "--sweep", "setting:fsync=on,off"],
            ["--setting fsync= and --sweep setting:fsync= contradict each other"],
        ),
        (["--sweep", "server=embedded:18,embedded:16", "--sweep", "pg=18,16"], ["leave out one of the two"]),
        (["--sweep", f"setting:work_mem={','.join(f'{n}MB' for n in range(1, 26))}"], ["25 conditions, at most 24"]),
        (
            ["--sweep", "python=/bin/true,/no/such/python"],
            ["'/bin/true' does not start as a Python", ".venv"],
        ),
        (["--setting", "fsync"], ["'fsync' is not NAME=VALUE", "fsync=off"]),
        (["--sweep", "columns=1,2"], ["'columns=1,2'", "tests, tables, rows"]),
        (["--sweep", "rows=10,x"], ["'rows=10,x'", "tests=10,100,1000"]),
        (["--sweep", "tables=4"], ["4 is out of range; tables go from 5 to 2000"]),
        (["--budget", "5"], ["--budget 5s cannot hold 3 rounds of", "or name fewer --strategies"]),
        (["--sever", "embedded"], ["--sever", "--server"]),
        (["--server", "docker"], ["'docker' is not auto, container, embedded", "postgresql://"]),
        (["--server", "mysql://root@localhost/x"], ["'mysql' is not auto"]),
        (["--server", "postgresql://me:secret@db.example.org/x"], ["db.example.org", "--allow-remote"]),
        (["--server", "postgresql://me:secret@127.0.0.1:1/x"], ["127.0.0.1:1", "does not answer", "embedded"]),
    ],
    ids=str,
)
def test_option_that_is_not_valid(arguments: list[object], words: list[str], typed: Command, tmp_path: Path) -> None:
    """The line has the value, what is valid, and the next command, but no password; no folder is left."""
    done = typed("run", *arguments, "--out", tmp_path / "run")
    assert_one_line(done, *words)
    assert "secret" not in done.stderr + done.stdout
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('"""Broken."""\nimport no_such_library', "does not import: ModuleNotFoundError"),
        (GOOD.replace("strategy = ", "plan = "), "has no `strategy`"),
        (GOOD.replace("session_factory", "factory"), "provides no `session_factory`"),
        (GOOD.replace("Strategy", "Trap"), "is a trap without an error"),
        (GOOD.replace('"session"', '"sesion"'), "'sesion' is not one of"),
    ],
)
def test_strategy_file_that_breaks_the_contract(text: str, words: str, looptrap: Command, tmp_path: Path) -> None:
    """A file that cannot be a strategy is refused before a server starts."""
    path = write(tmp_path, "of_a_user", text)
    assert_one_line(looptrap("run", "--strategies", path, *EMBEDDED, "--out", tmp_path / "run"), words, "of_a_user.py")
    assert not (tmp_path / "run").exists()


def test_two_strategies_of_one_name(looptrap: Command, tmp_path: Path) -> None:
    """Both files are named."""
    path = write(tmp_path, "create_drop", GOOD)
    done = looptrap("run", "--strategies", f"create_drop,{path}", *EMBEDDED, "--out", tmp_path / "run")
    assert_one_line(done, "two strategies are named 'create_drop'", path, "rename")


def test_contract_that_only_shows_when_it_runs(looptrap: Command, tmp_path: Path) -> None:
    """A `session_factory` of the wrong type ends the run with the reason, and the run's folder is removed."""
    path = write(tmp_path, "gives_nothing", GOOD)
    done = looptrap("run", "--strategies", path, *EMBEDDED, "--seed", 2, "--out", tmp_path / "run")
    assert_one_line(done, "strategy gives_nothing", "not an async_sessionmaker")


def test_docker_is_absent(looptrap: Command, tmp_path: Path) -> None:
    """Without a Docker engine, a container is refused with the alternatives."""
    done = looptrap("run", "--server", "container", "--out", tmp_path / "run", DOCKER_HOST="unix:///nowhere.sock")
    assert_one_line(done, "no Docker engine answered within 2 s", "--server embedded")
    assert not (tmp_path / "run").exists()


def test_folder_that_holds_a_run(looptrap: Command, tmp_path: Path) -> None:
    """A run is never overwritten or changed."""
    (tmp_path / RUN_FILE).write_text("precious")
    assert_one_line(looptrap("run", *EMBEDDED, "--out", tmp_path), "already holds a run", "--out")
    assert (tmp_path / RUN_FILE).read_text() == "precious"


def test_folder_that_cannot_be_made(looptrap: Command, tmp_path: Path) -> None:
    """A path below a file cannot be a folder."""
    (tmp_path / "file").touch()
    assert_one_line(looptrap("run", *EMBEDDED, "--out", tmp_path / "file" / "run"), "cannot write to", "--out")


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a full file system."""
    folder = tmp_path / "full"
    folder.mkdir()
    mount = shutil.which("mount") or "mount"
    mounted = subprocess.run([mount, "-t", "tmpfs", "-o", "size=4k", "tmpfs", folder], check=False, capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("only root may mount a small file system")
    (folder / "filler").write_bytes(b"x" * 4096)
    yield folder
    subprocess.run([shutil.which("umount") or "umount", folder], check=True)


def test_full_disk(looptrap: Command, full_disk: Path) -> None:
    """A full disk is noticed before anything is measured."""
    assert_one_line(looptrap("run", *EMBEDDED, "--out", full_disk), "No space left on device", "--out")
    assert [path.name for path in full_disk.iterdir()] == ["filler"]


def test_report_of_what_is_no_run(looptrap: Command, tmp_path: Path) -> None:
    """A folder without a run, and a run without a finished cell, are refused."""
    assert_one_line(looptrap("report", tmp_path), "holds no run", "results/reference")
    from bench.results.files import create_run  # noqa: PLC0415 - for this test alone

    create_run(tmp_path, RUN)
    assert_one_line(looptrap("report", tmp_path), "no finished cell")


@pytest.mark.parametrize(("name", "words"), [("My-Way", "lower case"), ("none", "exists already")])
def test_new_with_a_name_that_cannot_be(name: str, words: str, looptrap: Command) -> None:
    """An invalid or existing name writes nothing."""
    assert_one_line(looptrap("new", name), words)


def test_unknown_command(looptrap: Command) -> None:
    """A misspelled command gets the nearest one."""
    assert_one_line(looptrap("reprt"), "No such command 'reprt'", "report")
