"""Scopes: keys of their own for tenants or agents; and the audit of whoever opened or destroyed something."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the tables and the columns; rows of earlier releases are of the scope ``default``."""
    op.create_table(
        "gnomon_scope_keys",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("scope", sa.String, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("wrapped", sa.LargeBinary, nullable=False),
        sa.Column("commitment", sa.LargeBinary, nullable=False),
        sa.Column("kek_id", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
    )
    op.create_index(
        "gnomon_scope_keys_by_scope", "gnomon_scope_keys", ["scope", "generation"], unique=True
    )
    op.create_table(
        "gnomon_audit",
        sa.Column("event_id", sa.String, primary_key=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("ended_at_ms", sa.BigInteger, nullable=True),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("command", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("scope", sa.String, nullable=True),
        sa.Column("key_id", sa.String, nullable=False),
        sa.Column("detail", sa.String, nullable=False),
        sa.Column("records", sa.BigInteger, nullable=False),
        sa.Column("unreadable", sa.BigInteger, nullable=False),
        sa.Column("is_published", sa.Boolean, nullable=False),
    )
    op.create_index("gnomon_audit_by_time", "gnomon_audit", ["at_ms", "event_id"])
    op.add_column(
        "gnomon_decisions", sa.Column("scope", sa.String, nullable=False, server_default="default")
    )
    op.add_column(
        "gnomon_keys", sa.Column("made_under", sa.String, nullable=False, server_default="")
    )
