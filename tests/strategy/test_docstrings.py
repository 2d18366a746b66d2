"""The docstrings of strategies have the required parts, and are read correctly."""

import dataclasses
import re
from pathlib import Path

import pytest

from bench.commands.new import new_strategy
from bench.strategy.discovery import STRATEGIES, names_in_tree
from bench.strategy.docstrings import Docstring, read_docstring

WHOLE = '''
"""
Paint each test green.

How it does so
is told on two lines.

Use it when `green`
will do.
Prior art: [a](https://example.org/a),
[b](https://example.org/b).
"""
import no_such_library
'''


@pytest.mark.parametrize("name", names_in_tree())
def test_every_docstring_in_the_tree_says_all(name: str) -> None:
    """Every packaged strategy says in at most twelve lines what it does, how, when to use it, and its prior art."""
    path = STRATEGIES / f"{name}.py"
    said = read_docstring(path)
    assert len(said.summary) <= 90
    assert said.summary.endswith(".")
    assert said.how.endswith(".")
    assert re.match(r"(Use it when |Do not use it: ).*\.$", said.when_to_use)
    assert re.fullmatch(r"(\[[^]]+\]\(https://[^)]+\)(, |\.$))+", said.prior_art)
    assert len(path.read_text().split('"""')[1].strip().splitlines()) <= 12


def test_parts_are_found_without_an_import(tmp_path: Path) -> None:
    """Each part becomes one line; the module is not imported, so its libraries may be missing."""
    path = tmp_path / "green.py"
    path.write_text(WHOLE.lstrip())
    assert read_docstring(path) == Docstring(
        summary="Paint each test green.",
        how="How it does so is told on two lines.",
        when_to_use="Use it when `green` will do.",
        prior_art="[a](https://example.org/a), [b](https://example.org/b).",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('"""Do nothing."""', Docstring("Do nothing.", "", "", "")),
        ('"""Do nothing.\n\nDo not use it.\n"""', Docstring("Do nothing.", "", "Do not use it.", "")),
        ('"""Do.\n\nPrior art: [a](b)\n"""', Docstring("Do.", "", "", "[a](b)")),
        ("strategy = None", Docstring("", "", "", "")),
    ],
)
def test_parts_that_are_missing_are_empty(text: str, said: Docstring, tmp_path: Path) -> None:
    """A strategy from elsewhere may omit any part."""
    path = tmp_path / "elsewhere.py"
    path.write_text(text)
    assert read_docstring(path) == said


def test_new_strategy_asks_for_all_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that `new` writes has a placeholder for every part."""
    monkeypatch.setattr("bench.commands.new.STRATEGIES", tmp_path)
    said = read_docstring(new_strategy("my_way"))
    assert said.summary.startswith("my_way: ")
    assert all(dataclasses.astuple(said))
