"""Peers, strategies that adapt published packages, with and without the package installed."""

import json
import re
from pathlib import Path

import pytest

from bench.results.errors import UserError
from bench.results.paths import ROOT
from bench.strategy.declaration import Peer
from bench.strategy.discovery import load, names_in_tree, peers_in_tree, references_in, runnable
from bench.strategy.loaded import arguments_for_pytest
from tests.conftest import Command, assert_one_line

NOT_INSTALLED = '''
"""Adapt a package that does not exist."""
from bench import Peer, Strategy
from strategies.null_pool import db_engine, session_factory

strategy = Strategy(core=False, peer=Peer("looptrap-no-such-package"{unable}))
'''


def write(folder: Path, unable: str) -> str:
    """Write a peer whose package is not installed, and return its path."""
    path = folder / "not_installed.py"
    path.write_text(NOT_INSTALLED.lstrip().format(unable=unable))
    return str(path)


@pytest.mark.parametrize("name", peers_in_tree())
def test_every_peer_keeps_the_contract_wherever_it_is_read(name: str) -> None:
    """A peer loads without its package, is named after it, and is only in the set `peers`."""
    loaded = load(name)
    assert loaded.name == name == loaded.declared.peer.distribution.replace("-", "_")  # type: ignore[union-attr]
    assert loaded == load(str(ROOT / "strategies" / "peers" / f"{name}.py"))
    assert not loaded.declared.core
    assert loaded.summary.endswith(".")


def test_set_of_peers() -> None:
    """`peers` has every strategy in strategies/peers/; `core` and `all` have none of them."""
    assert references_in("peers,null_pool") == [*peers_in_tree(), "null_pool"]
    assert set(references_in("core,all")) == set(names_in_tree())


def test_package_that_is_not_installed(tmp_path: Path, looptrap: Command) -> None:
    """If a peer's package is missing, one line names it and the command that installs it."""
    refused = looptrap("check", "--strategies", write(tmp_path, unable=""))
    assert_one_line(refused, "not_installed adapts looptrap-no-such-package", "nox -s bench -- --peers")


def test_runnable_leaves_out_what_cannot_run(tmp_path: Path) -> None:
    """A peer that declares why it cannot run here need not be installed, and is left out."""
    with pytest.raises(UserError, match="is not installed in this environment"):
        runnable([load("none"), load(write(tmp_path, unable=""))])
    unable = [one for name in peers_in_tree() if (one := load(name)).unable]
    assert unable
    assert runnable([load("none"), *unable]) == [load("none")]


def test_what_cannot_run_is_shown_with_its_reason(tmp_path: Path, looptrap: Command) -> None:
    """A peer that cannot run is not measured; table, summary, list and `run.json` show the reason."""
    arguments = ("--server", "embedded", "--tests", 1, "--rounds", 1, "--no-check", "--out", tmp_path / "run")
    done = looptrap("run", *arguments, "--strategies", "pytest_clean_database")
    assert done.returncode == 0, done.stderr
    reason = load("pytest_clean_database").unable
    for text in (done.stdout, (tmp_path / "run" / "summary.md").read_text().replace("\\", "")):
        assert f"pytest_clean_database is not ranked: cannot run here: {reason}" in " ".join(text.split())
        assert re.search(r"^\W*pytest-clean-database .* 0/0 ", text, re.MULTILINE), text
    facts = {one["name"]: one for one in json.loads((tmp_path / "run" / "run.json").read_text())["strategies"]}
    assert facts["pytest_clean_database"]["unable"] == reason
    assert facts["none"]["unable"] == ""
    assert f"Cannot run here: {reason}" in " ".join(looptrap("run", "--list").stdout.split())


def test_strategy_overrides_fixtures_of_its_plugins(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A strategy's `pytest_plugins` load before it, so its own fixture overrides one of the same name."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(
        library_of_peer='import pytest\n@pytest.fixture\ndef answer():\n    return "of the library"',
        strategy_on_library='''
            """Override a fixture of the library."""
            import pytest
            from bench import Strategy

            pytest_plugins = ["library_of_peer"]
            strategy = Strategy()

            @pytest.fixture
            def answer(answer):
                return f"the strategy's, instead of that {answer}"
        ''',
        test_it='def test_it(answer):\n    assert answer == "the strategy\'s, instead of that of the library"',
    )
    loaded = load(str(pytester.path / "strategy_on_library.py"))
    arguments = arguments_for_pytest(loaded.module, loaded.plugins, loaded.declared)
    pytester.runpytest_subprocess("-p", "asyncio", *arguments).assert_outcomes(passed=1)


@pytest.mark.skipif(not Peer("pytest-sqla").version, reason="the group `peers` is not installed")
def test_peer_that_is_installed_runs(tmp_path: Path, looptrap: Command) -> None:
    """An installed peer passes the workload on a real Postgres, and the table shows its version."""
    arguments = ("--server", "embedded", "--tests", 14, "--rounds", 1, "--no-check", "--out", tmp_path / "run")
    done = looptrap("run", *arguments, "--strategies", "pytest_sqla")
    assert done.returncode == 0, done.stderr
    assert re.search(rf"^pytest-sqla {Peer('pytest-sqla').version} .* 14/14 ", done.stdout, re.MULTILINE), done.stdout
