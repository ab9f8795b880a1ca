"""Payloads that an agent sealed inside a decision, and the file of the key that opens them."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from gnomon import sealing
from gnomon.errors import UnreadableError
from gnomon.events import Comparison
from gnomon.sealing import OpeningKey, Payload, SealContext
from gnomon.vault.files import read_private, write_private


def create_sealing_key(path: Path) -> OpeningKey:
    """Write a new random private key to ``path``, readable by its owner only.

    Raises:
        KeyUnavailableError: The file exists (it is not changed) or cannot be written.
    """
    write_private(path, lambda: OpeningKey.generate().pem())
    return load_sealing_key(path)


def load_sealing_key(path: Path) -> OpeningKey:
    """Read the private key in ``path``.

    Raises:
        KeyUnavailableError: There is no key, it is malformed, or others may read the file.
    """
    return read_private(
        path,
        OpeningKey.parse,
        missing=f"no sealing key: {path} does not exist. Make one with: gnomon keys init-sealing",
        expected="a sealing key (an unencrypted X25519 private key, PKCS #8 PEM)",
    )


def sealed_for(comparison: Comparison) -> Mapping[str, str]:
    """Return the ids of the keys for which ``context`` and ``outcome`` are sealed, by field.

    A field that is not sealed is absent. A malformed payload has the key id ``unknown``.
    """
    return {field: _named(sealed) for field, sealed in _sealed(comparison).items()}


def open_payloads(comparison: Comparison, keys: Iterable[OpeningKey]) -> Comparison:
    """Return the decision with its sealed payloads decrypted into ``context`` and ``reported``.

    Raises:
        UnreadableError: A payload is sealed for a key that is not among ``keys``
            (``unknown_key``), or was changed or moved (``tampered``, ``bad_header``).
    """
    by_id = {key.id: key for key in keys}
    opened = {
        field: _opened(by_id, sealed, _seal_context(comparison, field))
        for field, sealed in _sealed(comparison).items()
    }
    outcome = msgspec.structs.replace(
        comparison.outcome,
        reported={**comparison.outcome.reported, **opened.get("outcome", {})},
        sealed_outcome=None,
    )
    return msgspec.structs.replace(
        comparison,
        context={**comparison.context, **opened.get("context", {})},
        sealed_context=None,
        outcome=outcome,
    )


def _sealed(comparison: Comparison) -> Mapping[str, bytes]:
    parts = {"context": comparison.sealed_context, "outcome": comparison.outcome.sealed_outcome}
    return {field: sealed for field, sealed in parts.items() if sealed is not None}


def _seal_context(comparison: Comparison, field: str) -> SealContext:
    return SealContext(agent_id=comparison.agent_id, task_id=comparison.task_id, field=field)


def _opened(keys: Mapping[str, OpeningKey], sealed: bytes, context: SealContext) -> Payload:
    named = sealing.key_id(sealed)
    if named not in keys:
        raise UnreadableError(
            "unknown_key", f"the {context.field} is sealed for key {named}; give its private key"
        )
    return keys[named].open(sealed, context)


def _named(sealed: bytes) -> str:
    try:
        return sealing.key_id(sealed)
    except UnreadableError:
        return "unknown"
