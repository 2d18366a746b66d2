"""The version of the harness, which stands in every result. It is written in pyproject.toml alone."""

import tomllib

from bench.strategy import ROOT

VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
