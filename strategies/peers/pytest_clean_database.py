"""
Truncate after each test the tables that it inserted into, by pytest-clean-database.

Triggers record these tables. It cannot run here: its last release cannot be installed with pytest 9.

Use it when you have an older pytest. The idea itself needs only a trigger, a table and a fixture.
Prior art: [pytest-clean-database](https://github.com/Klavionik/pytest-clean-database).
"""

from bench import Peer, Strategy

pytest_plugins = ["pytest_clean_db.plugin"]

strategy = Strategy(
    core=False,
    peer=Peer("pytest-clean-database", unable="its last release, 1.0.0, does not support pytest 9."),
)
