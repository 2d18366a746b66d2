"""
What the harness gives to a strategy that uses Alembic itself, in place of the same names in given.py.

Text for `python -m bench adopt`, too.
"""

from collections.abc import Callable

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


@pytest.fixture(scope="session")
def alembic_config(database_url: str) -> Config:
    """Alembic's configuration for the database."""
    # EDIT: where alembic.ini is. Its env.py must use config.attributes["connection"] if that is there: see "Connection
    # Sharing" in Alembic's cookbook.
    config = Config("alembic.ini")
    config.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
    return config


@pytest.fixture(scope="session")
def migrate(alembic_config: Config) -> Callable[[Connection], None]:
    """What runs `alembic upgrade head` on a connection that is open: `await connection.run_sync(migrate)`."""

    def upgrade(connection: Connection) -> None:
        alembic_config.attributes["connection"] = connection
        command.upgrade(alembic_config, "head")

    return upgrade
