"""The canary: a sealed record that shows whether the configured key opens the store.

It is checked before any decision is read or written.
"""

from typing import Final, Protocol

from gnomon.errors import KeyUnavailableError, UnreadableError
from gnomon.vault.ring import KeyRing

_CANARY_ID: Final = {"record_id": "canary", "schema": "canary.v1"}
SCOPE: Final = "canary"
"""Scope of the canary alone, so that it outlives each scope that is shredded."""
_PLAIN: Final = b"This store opens with this key."


class Canary(Protocol):
    """Storage of the one canary of a store."""

    def get(self) -> bytes | None:
        """Return the sealed canary, or ``None`` if the store was never used."""

    def put_if_absent(self, sealed: bytes) -> bytes:
        """Store ``sealed`` unless there is a canary; return the one that is stored."""


def check_key(keyring: KeyRing, canary: Canary) -> bytes:
    """Open the store's canary with the configured key; at the store's first use, seal one.

    Returns:
        The canary that is stored.

    Raises:
        KeyUnavailableError: The configured key does not open this store.
        KeyProviderUnavailableError: Whoever holds the key does not answer.
        StoreUnavailableError: The store does not answer.
    """
    sealed = canary.get()
    if sealed is None:
        sealed = canary.put_if_absent(new_canary(keyring))
    try:
        keyring.open(sealed, **_CANARY_ID)
    except UnreadableError as error:
        raise KeyUnavailableError(f"this key does not open this store ({error})") from error
    return sealed


def new_canary(keyring: KeyRing) -> bytes:
    """Seal a canary.

    Raises:
        KeyProviderUnavailableError: Whoever holds the key does not answer.
        StoreUnavailableError: The row of its key cannot be stored.
    """
    return keyring.seal(_PLAIN, **_CANARY_ID, scope=SCOPE)[1]
