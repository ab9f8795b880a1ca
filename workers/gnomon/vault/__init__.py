"""Sealed decisions: their encryption and their keys. Only the key files need I/O."""

from gnomon.vault.canary import Canary, check_key
from gnomon.vault.decisions import (
    open_bytes,
    open_decision,
    published,
    seal_all_bytes,
    seal_bytes,
    seal_decision,
)
from gnomon.vault.index import IdHash, IndexKeyIds, word_for
from gnomon.vault.keys import KeyEncryptionKey, KeyRow, KeyRows
from gnomon.vault.limits import Limits
from gnomon.vault.payloads import (
    create_sealing_key,
    load_sealing_key,
    open_payloads,
    sealed_for,
)
from gnomon.vault.providers.local import create_key_file
from gnomon.vault.providers.opening import open_providers as load_key
from gnomon.vault.ring import KeyRing
from gnomon.vault.scopes import ScopeKeyRow, ScopeKeyRows, scope_of
from gnomon.vault.wrapping import KeyProvider

__all__ = [
    "Canary",
    "IdHash",
    "IndexKeyIds",
    "KeyEncryptionKey",
    "KeyProvider",
    "KeyRing",
    "KeyRow",
    "KeyRows",
    "Limits",
    "ScopeKeyRow",
    "ScopeKeyRows",
    "check_key",
    "create_key_file",
    "create_sealing_key",
    "load_key",
    "load_sealing_key",
    "open_bytes",
    "open_decision",
    "open_payloads",
    "published",
    "scope_of",
    "seal_all_bytes",
    "seal_bytes",
    "seal_decision",
    "sealed_for",
    "word_for",
]
