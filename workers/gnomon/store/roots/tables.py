"""The tables of the trees. They hold hashes, ids and seals; nothing of them is secret."""

from typing import Final

from sqlalchemy import BigInteger, Column, LargeBinary, Table

from gnomon.store.schema import METADATA

ROOTS: Final = Table(
    "gnomon_roots",
    METADATA,
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("partition", BigInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("before", BigInteger),
    Column("leaf", LargeBinary, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("seal", LargeBinary, nullable=False),
    Column("hashes", LargeBinary),
    Column("ids", LargeBinary),
)
"""One row a list of records: what one transaction added to one hour, and the hour's root with it.

``hashes`` and ``ids`` are null where retention has removed the records; leaf, root and seal stay.
"""

HEADS: Final = Table(
    "gnomon_root_heads",
    METADATA,
    Column("partition", BigInteger, primary_key=True, autoincrement=False),
    Column("lists", BigInteger, nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("hours", BigInteger, nullable=False),
    Column("newest", BigInteger),
    Column("from_offset", BigInteger, nullable=False),
    Column("next_offset", BigInteger, nullable=False),
    Column("seal", LargeBinary, nullable=False),
)
"""One row a partition: the sums of its trees."""
