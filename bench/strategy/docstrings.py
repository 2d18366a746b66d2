"""
What the docstring of a strategy says, part by part, read without importing its module.

docs/adding-a-strategy.md has the form. In the tree a test demands all parts; a strategy from elsewhere needs its first
line only, so a part may be empty here.
"""

import ast
from dataclasses import dataclass
from pathlib import Path

_TAKE_IT, _PRIOR_ART = "Take it ", "Prior art:"


@dataclass(frozen=True)
class Docstring:
    """What a strategy says of itself, in Markdown, each part on one line; an empty text where it says nothing."""

    summary: str
    how: str
    """How it works, and what to know."""
    take_it: str
    """When to take it: begins with `Take it`."""
    prior_art: str
    """Links."""


def read_docstring(path: Path) -> Docstring:
    """Read the docstring of a strategy's file."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    text, _, prior_art = text.partition(f"\n{_PRIOR_ART}")
    text, begins, take_it = text.partition(f"\n{_TAKE_IT}")
    summary, _, how = text.partition("\n")
    return Docstring(
        summary=summary,
        how=_on_one_line(how),
        take_it=_on_one_line(begins + take_it),
        prior_art=_on_one_line(prior_art),
    )


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
