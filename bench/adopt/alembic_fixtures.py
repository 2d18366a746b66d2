"""
Fixtures for an adopted strategy that uses Alembic itself.

They replace those of the same name in harness_fixtures.py.
"""

from collections.abc import Callable

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


@pytest.fixture(scope="session")
def alembic_config(database_url: str) -> Config:
    """Alembic's configuration for the test database."""
    # EDIT: the path of your alembic.ini. Your env.py must use config.attributes["connection"] if it is set: see
    # "Sharing a Connection" in Alembic's cookbook.
    config = Config("alembic.ini")
    config.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
    return config


@pytest.fixture(scope="session")
def migrate(alembic_config: Config) -> Callable[[Connection], None]:
    """Run `alembic upgrade head` on an open connection: `await connection.run_sync(migrate)`."""

    def upgrade(connection: Connection) -> None:
        alembic_config.attributes["connection"] = connection
        command.upgrade(alembic_config, "head")

    return upgrade
