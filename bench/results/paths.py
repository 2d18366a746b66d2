"""Where the project is on disk."""

from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
"""The folder that holds `bench/`, `strategies/` and `results/`."""


def typed(path: Path) -> str:
    """Return the shortest form of a path that can be typed in the current folder."""
    absolute, here = path.resolve(), Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(absolute)
