"""Sealed decisions: envelope and keys. Pure but for the key file."""

from gnomon.vault.canary import Canary, check_key
from gnomon.vault.decisions import open_decision, seal_bytes, seal_decision
from gnomon.vault.keys import KeyEncryptionKey, KeyRow, KeyRows, create_key_file, load_key
from gnomon.vault.ring import KeyRing, Limits

__all__ = [
    "Canary",
    "KeyEncryptionKey",
    "KeyRing",
    "KeyRow",
    "KeyRows",
    "Limits",
    "check_key",
    "create_key_file",
    "load_key",
    "open_decision",
    "seal_bytes",
    "seal_decision",
]
