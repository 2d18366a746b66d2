"""
The parts of a strategy's docstring, read without importing its module.

docs/adding-a-strategy.md describes the form. Strategies of this repository must have all parts, which a test checks;
any other needs only the first line, so every part may be empty here.
"""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

_WHEN_TO_USE = re.compile(r"\n(?=Use it when |Do not use it)")
_PRIOR_ART = "\nPrior art:"


@dataclass(frozen=True)
class Docstring:
    """The parts of a strategy's docstring: Markdown, each on one line; empty if missing."""

    summary: str
    how: str
    """How it works, and its caveats."""
    when_to_use: str
    """Begins with `Use it when` or `Do not use it`."""
    prior_art: str
    """Links."""


def read_docstring(path: Path) -> Docstring:
    """Read the docstring of a strategy's file."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    text, _, prior_art = text.partition(_PRIOR_ART)
    text, when_to_use = (*_WHEN_TO_USE.split(text, maxsplit=1), "")[:2]
    summary, _, how = text.partition("\n")
    return Docstring(
        summary=summary,
        how=_on_one_line(how),
        when_to_use=_on_one_line(when_to_use),
        prior_art=_on_one_line(prior_art),
    )


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
