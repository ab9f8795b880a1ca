"""The tables of the store. Only ids, times and the status of a decision are not encrypted."""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, String, Table

VERSION: Final = 1
"""Version of the tables below. It is stored, and compared before the store is used."""

METADATA: Final = MetaData()

META: Final = Table(
    "gnomon_meta",
    METADATA,
    Column("name", String, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
"""The schema version, and the canary that shows whether a key opens this store."""

DECISIONS: Final = Table(
    "gnomon_decisions",
    METADATA,
    Column("decision_id", String, primary_key=True),
    Column("status", String, nullable=False),
    Column("started_at_ms", BigInteger, nullable=False),
    Column("ended_at_ms", BigInteger, nullable=False),
    Column("key_id", String, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index("gnomon_decisions_by_end", "ended_at_ms", "decision_id"),
)

KEYS: Final = Table(
    "gnomon_keys",
    METADATA,
    Column("kid", String, primary_key=True),
    Column("scope", String, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("commitment", LargeBinary, nullable=False),
    Column("kek_id", String, nullable=False),
    Column("state", String, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
)
