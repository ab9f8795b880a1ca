"""Merkle trees over the sealed decisions: the lists of each hour with their roots, and a head a partition."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the tables; the first vault worker that starts covers the decisions that are stored already."""
    op.create_table(
        "gnomon_roots",
        sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("partition", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("records", sa.BigInteger, nullable=False),
        sa.Column("before", sa.BigInteger),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("seal", sa.LargeBinary, nullable=False),
        sa.Column("hashes", sa.LargeBinary),
        sa.Column("ids", sa.LargeBinary),
    )
    op.create_table(
        "gnomon_root_heads",
        sa.Column("partition", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("lists", sa.BigInteger, nullable=False),
        sa.Column("records", sa.BigInteger, nullable=False),
        sa.Column("hours", sa.BigInteger, nullable=False),
        sa.Column("newest", sa.BigInteger),
        sa.Column("from_offset", sa.BigInteger, nullable=False),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
        sa.Column("seal", sa.LargeBinary, nullable=False),
    )
