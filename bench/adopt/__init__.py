"""Turns a strategy into a `conftest.py` for any project."""
