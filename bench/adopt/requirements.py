"""The packages that an adopted conftest.py needs, with the versions that looptrap's pyproject.toml asks for."""

import re
import tomllib

from bench.results.paths import ROOT
from bench.strategy.discovery import peers_in_tree
from bench.strategy.loaded import LoadedStrategy


def requirements(strategy: LoadedStrategy, packages: set[str]) -> list[str]:
    """
    Return the requirements of an adopted strategy, as pip takes them.

    :param packages: that its conftest.py imports; those of the standard library are ignored.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    # asyncpg is never imported, only named in a URL.
    needed = {*(package.replace("_", "-") for package in packages), "asyncpg"}
    required = [one for one in project["project"]["dependencies"] if _distribution(one) in needed]
    if peer := strategy.declared.peer:
        # The group also has the database drivers that peers connect with.
        others = {name.replace("_", "-") for name in peers_in_tree()} - {peer.distribution}
        required += [one for one in project["dependency-groups"]["peers"] if _distribution(one) not in others]
    return required


def _distribution(requirement: str) -> str:
    return re.split(r"[\[=<>~!;\s]", requirement)[0]
