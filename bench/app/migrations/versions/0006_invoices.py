"""The sequence of invoice numbers, and the domain of article numbers."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the sequence and the domain."""
    op.execute(sa.schema.CreateSequence(sa.Sequence("invoice_numbers")))
    op.execute("CREATE DOMAIN sku AS text CHECK (VALUE <> '')")


def downgrade() -> None:
    """Drop both."""
    op.execute("DROP DOMAIN sku")
    op.execute(sa.schema.DropSequence(sa.Sequence("invoice_numbers")))
