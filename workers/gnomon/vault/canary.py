"""A record that says, before any other is read or written, whether this key opens this store."""

from typing import Final, Protocol

from gnomon.errors import KeyUnavailableError, UnreadableError
from gnomon.vault.ring import KeyRing

_PLACE: Final = {"record_id": "canary", "schema": "canary.v1"}
_PLAIN: Final = b"This store opens with this key."


class Canary(Protocol):
    """Where a store keeps its one canary."""

    def get(self) -> bytes | None:
        """The sealed canary, or ``None`` before first use."""

    def put_if_absent(self, sealed: bytes) -> bytes:
        """Store ``sealed`` unless there is one; the one that is stored."""


def check_key(keyring: KeyRing, canary: Canary) -> None:
    """Open the store's canary with the present key; seal one at the store's first use.

    Raises:
        KeyUnavailableError: The present key does not open this store.
        StoreUnavailableError: The store does not answer.
    """
    sealed = canary.get()
    if sealed is None:
        sealed = canary.put_if_absent(keyring.seal(_PLAIN, **_PLACE)[1])
    try:
        keyring.open(sealed, **_PLACE)
    except UnreadableError as error:
        raise KeyUnavailableError(f"this key does not open this store ({error})") from error
