"""The outbox, and a trigger that sends NOTIFY for each new row."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the table, the function and the trigger."""
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer(), sa.Identity(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.execute(
        """
        CREATE FUNCTION announce_outbox_event() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM pg_notify('outbox', NEW.id::text);
            RETURN NEW;
        END
        $$
        """
    )
    op.execute(
        "CREATE TRIGGER outbox_announce AFTER INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION announce_outbox_event()"
    )


def downgrade() -> None:
    """Drop the table with its trigger, and the function."""
    op.drop_table("outbox")
    op.execute("DROP FUNCTION announce_outbox_event()")
