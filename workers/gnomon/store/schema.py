"""The tables of the store, as the newest revision in ``migrations`` makes them.

Only ids, times and the status of a decision are not encrypted.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    LargeBinary,
    MetaData,
    String,
    Table,
)

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
    Column("scope", String, nullable=False, server_default="default"),
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
    Column("made_under", String, nullable=False, server_default=""),
)

SCOPE_KEYS: Final = Table(
    "gnomon_scope_keys",
    METADATA,
    Column("id", String, primary_key=True),
    Column("scope", String, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("commitment", LargeBinary, nullable=False),
    Column("kek_id", String, nullable=False),
    Column("state", String, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Index("gnomon_scope_keys_by_scope", "scope", "generation", unique=True),
)

AUDIT: Final = Table(
    "gnomon_audit",
    METADATA,
    Column("event_id", String, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("ended_at_ms", BigInteger, nullable=True),
    Column("action", String, nullable=False),
    Column("actor", String, nullable=False),
    Column("command", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("scope", String, nullable=True),
    Column("key_id", String, nullable=False),
    Column("detail", String, nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("unreadable", BigInteger, nullable=False),
    Column("is_published", Boolean, nullable=False),
    Index("gnomon_audit_by_time", "at_ms", "event_id"),
)
"""Who opened or destroyed something; a row without an end is of a command that was killed."""
