"""From a strategy to a `conftest.py` for anybody's project."""
