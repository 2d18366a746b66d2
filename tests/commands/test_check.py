"""The command `check`, run as a user runs it on a real Postgres."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from bench.measure import probing
from bench.measure.probing import can_be_probed, probe_all
from bench.report.documentation import REFERENCE
from bench.results.endpoints import Client
from bench.results.files import FIDELITY, read_run
from bench.results.paths import ROOT
from bench.results.records import Fidelity
from bench.server import Server
from bench.strategy.declaration import TWIN
from bench.strategy.discovery import load, load_all, references_in
from bench.strategy.probe_catalogue import CONTROL, Probe
from tests.conftest import Command, assert_one_line
from tests.report.test_documentation import example_strategy
from tests.servers import PATIENCE, POSIX

DECLARES_WRONGLY = '''
"""Hide a behaviour without declaring it, and declare one without hiding it."""
from bench import ONE_TRANSACTION, Probe, Strategy
from strategies.null_pool import db_engine, session_factory

strategy = Strategy(hides={*ONE_TRANSACTION - {Probe.NOTIFY}, Probe.ROWS_GONE})
'''

HANGS = '''
"""Hang in every test."""
import time
import pytest
from bench import Strategy

strategy = Strategy()

@pytest.fixture
def session_factory():
    time.sleep(600)
'''

NO_FACTORY = '''
"""Return something other than a session factory."""
import pytest
from bench import Strategy

strategy = Strategy()

@pytest.fixture
def session_factory():
    return 1
'''


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, so that stored outcomes do not mix with the user's."""
    folder = tmp_path_factory.mktemp("tree")
    for name in ("bench", "strategies", "conftest.py", "pyproject.toml"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    return folder


@pytest.fixture
def check(tree: Path, server: Server, looptrap: Command) -> Iterator[Command]:
    """Runs `python -m bench check` in the copy, on the tests' server."""

    def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
        return looptrap("check", *arguments, cwd=tree, PYTHONPATH=str(tree), LOOPTRAP_DSN=server.admin_dsn)

    yield run
    shutil.rmtree(tree / "results", ignore_errors=True)


def test_every_outcome_is_declared_and_is_the_documented_one(check: Command, tree: Path, tmp_path: Path) -> None:
    """
    All strategies have the outcomes that they declare, and those of core match the ones behind docs/probes.md.

    So does the example in docs/adding-a-strategy.md. The control passes every probe. Both mistakes of a wrong
    declaration are found, with no other finding, and `--why` shows the detail.
    """
    path = tmp_path / "declares_wrongly.py"
    path.write_text(DECLARES_WRONGLY.lstrip())
    core = {one.name for one in load_all(references_in("core")) if can_be_probed(one) and one.name != TWIN}
    done = check("--strategies", ",".join(["all", str(path), str(example_strategy(tmp_path))]))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "What declares_wrongly should declare: hides={Probe.IDENTITY_RESTARTS, " in done.stdout
    assert re.findall("^FINDING: (.*)$", done.stdout, re.MULTILINE) == [
        "declares_wrongly declares to hide rows_gone, but its tests see it: remove it from `hides`.",
        "declares_wrongly hides notify without declaring it: add it to `hides`.",
    ]
    found, documented = FIDELITY.read(tree / "results" / "check"), FIDELITY.read(REFERENCE)
    assert documented.keys() == {CONTROL, *core}
    for name, fidelity in documented.items():
        expected = {sight.probe: sight.outcome for sight in fidelity.sights}
        assert {sight.probe: sight.outcome for sight in found[name].sights} == expected, name
    assert {sight.outcome for sight in found[CONTROL].sights} == {"sees"}
    assert (tree / "results" / "check" / "fidelity.png").stat().st_size

    why = check("--why", "declares_wrongly", "notify")
    assert why.returncode == 0, why.stderr
    assert "declares_wrongly hides notify" in why.stdout
    assert "no notification arrived after the commit" in why.stdout
    assert Probe.NOTIFY.link in why.stdout


def test_strategy_that_hangs_is_given_up(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each test that hangs is killed and reported; after a few of them the rest is not run."""
    path = tmp_path / "hangs_always.py"
    path.write_text(HANGS.lstrip())
    monkeypatch.setattr(probing, "PATIENCE_AT_START", 4.0)
    monkeypatch.setattr(probing, "MOST_LOST", 2)
    kept: list[Fidelity] = []
    probe_all([load(str(path))], server, "looptrap_hangs_", kept.append, Console(), Client())
    assert "probed hangs_always: sees 0 of" in capsys.readouterr().out
    sights = kept[0].sights
    assert {sight.outcome for sight in sights} == {"breaks"}
    assert sights[0].detail == "in the setup of the first test: killed after 4 s without progress"
    assert sights[1].detail == sights[0].detail
    assert "skipped" in sights[2].detail
    assert not [one for one in psutil.process_iter(["environ"]) if "looptrap_hangs_" in str(one.info["environ"])]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--why", "null_pool", "notfy"), ("unknown probe 'notfy'", "notify")),
        (("--why", "nul_pool", "notify"), ("no outcome of 'nul_pool'", "nox -s check")),
        (("--strategies", "nul_pool"), ("unknown strategy 'nul_pool'", "null_pool")),
        (("--strategies", ","), ("names no strategy",)),
        (("--strategies", "session_engine_function_loops"), ("nothing to probe", "nox -s bench")),
    ],
)
def test_invalid_arguments(check: Command, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    """An unknown probe, strategy or outcome gives one line and exit code 2."""
    assert_one_line(check(*arguments), *words)


def test_strategy_that_breaks_the_contract(check: Command, tmp_path: Path) -> None:
    """A strategy that breaks the contract gives one line that says what is wrong."""
    path = tmp_path / "no_factory.py"
    path.write_text(NO_FACTORY.lstrip())
    assert_one_line(check("--strategies", path), "no_factory", "returns int, not an async_sessionmaker")


@POSIX
def test_ctrl_c_keeps_what_is_finished_and_leaves_nothing(tree: Path, server: Server) -> None:
    """Ctrl-C leaves no process or database behind, and finished outcomes are stored."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", "check", "--strategies", "null_pool,none"],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree), "LOOPTRAP_DSN": server.admin_dsn, "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = ""
    while "probed" not in said:
        said += process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, said + rest
    assert "Traceback" not in rest
    assert "Stopped. Finished outcomes are in" in rest
    ready = re.findall(r"^probed (\w+):", said + rest, re.MULTILINE)
    assert FIDELITY.read(tree / "results" / "check").keys() == set(ready)
    end = time.monotonic() + PATIENCE
    while left := [one for one in psutil.process_iter(["environ"]) if str(tree) in str(one.info["environ"])]:
        assert time.monotonic() < end, left
        time.sleep(0.1)
    shutil.rmtree(tree / "results")


def test_need_ranks_those_that_see_it(tmp_path: Path, server: Server, looptrap: Command) -> None:
    """With --need only strategies that pass the probes are ranked, and the cheapest of them is named."""
    folder = tmp_path / "run"
    done = looptrap(
        *("run", "--strategies", "null_pool", "--tests", 7, "--rounds", 1),
        *("--need", "rows_gone,accidents", "--out", folder),
        LOOPTRAP_DSN=server.admin_dsn,
    )
    assert done.returncode == 0, done.stderr
    needs = "rows_gone, failed_test, cancelled_test, killed_process and 2 more"
    assert f"Where tests must see {needs}: No strategy is ranked" in done.stdout
    assert "null_pool is not ranked: its tests do not see running_task" in done.stdout
    assert "--need rows_gone,accidents" in read_run(folder).command
    assert FIDELITY.read(folder).keys() == {CONTROL, "none", "null_pool"}
    again = looptrap("report", folder, "--need", "rows_gone,failed_test")
    assert "Where tests must see rows_gone and failed_test: null_pool costs" in again.stdout
    assert_one_line(looptrap("report", folder, "--need", "rows"), "unknown probe 'rows'", "rows_gone")


def test_need_without_probes(looptrap: Command) -> None:
    """--need together with --no-check is refused in one line."""
    assert_one_line(looptrap("run", "--need", "notify", "--no-check"), "--need", "--no-check")
