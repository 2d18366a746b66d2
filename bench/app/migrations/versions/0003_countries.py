"""The reference rows."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

countries = sa.table("countries", sa.column("code", sa.String), sa.column("name", sa.String))


def upgrade() -> None:
    """Insert them."""
    op.bulk_insert(
        countries,
        [
            {"code": "BR", "name": "Brazil"},
            {"code": "DE", "name": "Germany"},
            {"code": "IN", "name": "India"},
            {"code": "JP", "name": "Japan"},
            {"code": "KE", "name": "Kenya"},
            {"code": "US", "name": "United States"},
        ],
    )


def downgrade() -> None:
    """Delete them, after removing them from customers."""
    op.execute("UPDATE customers SET country_code = NULL")
    op.execute(countries.delete())
