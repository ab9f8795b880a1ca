"""The tables of release 0.1.0: sealed decisions, wrapped keys, named values.

That release made them without Alembic, and on SQLite a crash could leave some of them: those that exist are kept.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables that do not exist."""
    op.create_table(
        "gnomon_meta",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "gnomon_decisions",
        sa.Column("decision_id", sa.String, primary_key=True),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("started_at_ms", sa.BigInteger, nullable=False),
        sa.Column("ended_at_ms", sa.BigInteger, nullable=False),
        sa.Column("key_id", sa.String, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        if_not_exists=True,
    )
    op.create_index(
        "gnomon_decisions_by_end",
        "gnomon_decisions",
        ["ended_at_ms", "decision_id"],
        if_not_exists=True,
    )
    op.create_table(
        "gnomon_keys",
        sa.Column("kid", sa.String, primary_key=True),
        sa.Column("scope", sa.String, nullable=False),
        sa.Column("wrapped", sa.LargeBinary, nullable=False),
        sa.Column("commitment", sa.LargeBinary, nullable=False),
        sa.Column("kek_id", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        if_not_exists=True,
    )
