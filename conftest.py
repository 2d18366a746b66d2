"""Loads the harness's pytest plugins, for its own tests and for a strategy that is run by hand."""

pytest_plugins = ["bench.worker.fixtures", "pytester"]
