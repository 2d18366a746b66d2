"""From a strategy's file to a conftest.py: how modules are read and imports written, and what the harness gave."""
