"""Unwrapped data keys that open records of any process."""

from collections.abc import Collection
from typing import Final, NamedTuple

from gnomon.errors import UnreadableError
from gnomon.vault.envelope import DataKey
from gnomon.vault.keys import KeyRow, KeyRows, unwrap_data_key
from gnomon.vault.scopes import DEFAULT, FRESH_MS, ScopeKeys
from gnomon.vault.wrapping import KeyProvider

_MOST_KEPT: Final = 1_000
"""Most keys that are kept: six weeks of one process."""


class Opening(NamedTuple):
    """A key that opens, or the reason why there is none any more."""

    key: DataKey | None
    scope: str
    refused: str = ""


class OpeningKeys:
    """Loads and keeps keys that open; all of them are loaded again after an hour. For one thread at a time.

    Args:
        provider: Wraps the data keys of an earlier gnomon.
        rows: Storage of wrapped data keys.
        scope_keys: Wrap the others.
        only: The only scope whose keys are loaded; by default all are.
        since_ms: The time, epoch milliseconds.
    """

    def __init__(
        self,
        provider: KeyProvider,
        rows: KeyRows,
        scope_keys: ScopeKeys,
        *,
        only: str | None,
        since_ms: int,
    ) -> None:
        self._provider, self._rows, self._scope_keys = provider, rows, scope_keys
        self._only, self._since_ms = only, since_ms
        self._kept: dict[bytes, Opening] = {}

    def find(self, kid: bytes, now_ms: int) -> Opening | None:
        """Return a key that is kept, or ``None``."""
        if not 0 <= now_ms - self._since_ms < FRESH_MS:
            self._kept, self._since_ms = {}, now_ms
        return self._kept.get(kid)

    def load(self, kid: bytes, now_ms: int) -> Opening:
        """Return the key of a row, which must be kept with ``keep``.

        Raises:
            UnreadableError: ``unknown_key`` or ``tampered``.
            StoreUnavailableError: The row cannot be read for now.
            KeyProviderUnavailableError: The key cannot be unwrapped for now.
        """
        row = self._rows.get(kid.hex())
        if row is None or (self._only is not None and row.scope != self._only):
            raise UnreadableError(
                "unknown_key", f"no key {kid.hex()} in scope {self._only or DEFAULT!r}"
            )
        try:
            return Opening(self._unwrapped(row, now_ms), row.scope)
        except UnreadableError as error:
            if error.reason != "shredded":
                raise
            return Opening(None, row.scope, str(error).removeprefix("shredded: "))

    def keep(self, kid: bytes, opening: Opening) -> None:
        """Keep a loaded key; the oldest gives way."""
        if len(self._kept) >= _MOST_KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[kid] = opening

    def ids(self) -> Collection[str]:
        """Return the ids of all keys that are kept."""
        return [kid.hex() for kid, opening in self._kept.items() if opening.key is not None]

    def clear(self) -> None:
        """Drop all of them."""
        self._kept.clear()

    def _unwrapped(self, row: KeyRow, now_ms: int) -> DataKey:
        wrapper = self._scope_keys.find(row.kek_id, now_ms=now_ms)
        # Where there is no such scope key, an earlier gnomon had the provider wrap the data key.
        return unwrap_data_key(self._provider if wrapper is None else wrapper, row)
