"""The extra tables and rows that `config.attributes["ballast"]` specifies; none by default."""

import sqlalchemy as sa
from alembic import context, op

from bench.app.ballast import Ballast, add_tables
from bench.app.models import Base

revision = "0005"
down_revision = "0004"

SEED = "INSERT INTO seeds (code, name) SELECT 'code ' || n, 'name ' || n FROM generate_series(1, :rows) AS n"


def asked_for() -> Ballast:
    """Return how many tables and rows to create."""
    ballast: Ballast = context.config.attributes.get("ballast", Ballast(tables=0, rows=0))
    return ballast


def tables() -> list[sa.Table]:
    """Return the tables in an order in which they can be created."""
    return add_tables(sa.MetaData(naming_convention=Base.metadata.naming_convention), asked_for())


def upgrade() -> None:
    """Create the tables, and insert the rows."""
    for table in tables():
        table.create(op.get_bind())
    if rows := asked_for().rows:
        op.execute(sa.text(SEED).bindparams(rows=rows))


def downgrade() -> None:
    """Drop the tables and their rows."""
    for table in reversed(tables()):
        table.drop(op.get_bind())
