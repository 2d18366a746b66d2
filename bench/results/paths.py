"""Where the project is on disk."""

from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
"""The folder that holds `bench/`, `strategies/` and `results/`."""
