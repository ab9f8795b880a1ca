"""Sealed decisions: their encryption and their keys. Only the key files need I/O."""

from gnomon.vault.canary import Canary, check_key
from gnomon.vault.decisions import open_decision, seal_bytes, seal_decision
from gnomon.vault.keys import KeyEncryptionKey, KeyRow, KeyRows, create_key_file, load_key
from gnomon.vault.payloads import (
    create_sealing_key,
    load_sealing_key,
    open_payloads,
    sealed_for,
)
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
    "create_sealing_key",
    "load_key",
    "load_sealing_key",
    "open_decision",
    "open_payloads",
    "seal_bytes",
    "seal_decision",
    "sealed_for",
]
