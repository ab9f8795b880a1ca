"""Seals a ``Comparison`` as a ``SealedDecision``, and opens it again."""

from collections.abc import Sequence
from typing import Final

import msgspec

from gnomon import codec
from gnomon.compiled import load
from gnomon.errors import UnreadableError
from gnomon.events import Comparison, SealedDecision
from gnomon.records import Keyed
from gnomon.vault import envelope
from gnomon.vault.ring import KeyRing
from gnomon.vault.scopes import DEFAULT

SCHEMA: Final = "comparison.v1"
"""Schema of the plaintext; it is part of the associated data of each record."""
_sealed_rows: Final = load("gnomon.vault.compiled.sealed_rows")


def seal_decision(
    keyring: KeyRing, comparison: Comparison, *, scope: str = DEFAULT
) -> SealedDecision:
    """Seal one decision under its own id with a key of ``scope``.

    Raises:
        StoreUnavailableError: A new key is due and its row cannot be stored.
    """
    key_id, sealed = seal_bytes(
        keyring,
        decision_id=comparison.decision_id,
        plain=codec.encode(comparison),
        scope=scope,
    )
    return SealedDecision(
        decision_id=comparison.decision_id,
        key_id=key_id,
        sealed=sealed,
        status=comparison.outcome.status,
        started_at_ms=comparison.started_at_ms,
        ended_at_ms=comparison.outcome.at_ms,
        scope=scope,
    )


def seal_bytes(
    keyring: KeyRing, *, decision_id: str, plain: bytes, scope: str = DEFAULT
) -> tuple[str, bytes]:
    """Seal a ``Comparison`` that is already encoded as JSON.

    Returns:
        The id of the key, and the sealed bytes.

    Raises:
        StoreUnavailableError: A new key is due and its row cannot be stored.
    """
    return keyring.seal(plain, record_id=decision_id, schema=SCHEMA, scope=scope)


def seal_all_bytes(
    keyring: KeyRing, *, decision_ids: Sequence[str], plains: Sequence[bytes], scope: str = DEFAULT
) -> list[tuple[str, bytes]]:
    """Seal many of one scope, each as ``seal_bytes`` does, in less time.

    Raises:
        StoreUnavailableError: A new key is due and its row cannot be stored.
    """
    return keyring.seal_all(plains, record_ids=decision_ids, schema=SCHEMA, scope=scope)


def published(rows: Sequence[SealedDecision]) -> list[Keyed]:
    """Return the records of the topic ``decisions``: the id and the JSON of each row.

    Where it was compiled, packed rows stand for the list.
    """
    if _sealed_rows is not None:
        records: list[Keyed] = _sealed_rows.published(rows)
        return records
    return python_published(rows)


def python_published(rows: Sequence[SealedDecision]) -> list[Keyed]:
    """Return what ``published`` does where nothing was compiled."""
    encode = codec.encode
    return [(row.decision_id.encode(), encode(row)) for row in rows]


def open_bytes(keyring: KeyRing, sealed: SealedDecision) -> bytes:
    """Open one decision without decoding it; the fields beside the sealed bytes are not checked.

    Raises:
        UnreadableError: ``unknown_key``, ``bad_header`` or ``tampered``.
        StoreUnavailableError: The row of the key cannot be read for now.
    """
    return keyring.open(
        sealed.sealed, record_id=sealed.decision_id, schema=SCHEMA, scope=sealed.scope
    )


def open_decision(keyring: KeyRing, sealed: SealedDecision) -> Comparison:
    """Open one decision, and check that the unencrypted fields beside it agree with it.

    Raises:
        UnreadableError: ``unknown_key``, ``bad_header``, ``shredded``, or ``tampered``: the sealed
            bytes, their id, or the status, times or key id beside them were changed.
        StoreUnavailableError: The row of the key cannot be read for now.
    """
    plain = open_bytes(keyring, sealed)
    comparison = _as_stored(plain, sealed)
    if comparison is None:
        del plain  # error reports show local variables, which must hold no plaintext
        raise UnreadableError("tampered", "the fields beside the sealed bytes were changed")
    return comparison


def _as_stored(plain: bytes, sealed: SealedDecision) -> Comparison | None:
    """Return the decision, or ``None`` if it disagrees with the columns it is stored with."""
    try:
        comparison = codec.decode_comparison(plain)
    except msgspec.DecodeError:
        return None
    written = (
        comparison.decision_id,
        comparison.outcome.status,
        comparison.started_at_ms,
        comparison.outcome.at_ms,
        envelope.key_id(sealed.sealed).hex(),
    )
    beside = (
        sealed.decision_id,
        sealed.status,
        sealed.started_at_ms,
        sealed.ended_at_ms,
        sealed.key_id,
    )
    return comparison if written == beside else None
