"""Keyed hashes that stand for ids where they are stored in clear: equal ids have equal hashes.

Each scope has an index key: a data key, wrapped and destroyed like all others, that seals nothing. It stays the
same when other keys are changed, so that an agent keeps its hash. Another one is made if its row is lost.
"""

import logging
from collections.abc import Callable
from typing import Final, Literal, Protocol

from gnomon.errors import UnreadableError
from gnomon.vault.envelope import DataKey
from gnomon.vault.ring import KeyRing
from gnomon.vault.scopes import DEFAULT

logger = logging.getLogger(__name__)

QueryIds = Literal["hashed", "clear"]
_MOST_KEPT: Final = 65_536
"""Most hashes that are kept, about 10 MB."""
_MOST_CHARACTERS: Final = 200
"""Of an id that is stored in clear: an index of PostgreSQL takes no more than about 2,700 bytes."""


class IndexKeyIds(Protocol):
    """Storage of the id of each scope's index key."""

    def get(self, scope: str) -> str | None:
        """Return the id of the scope's index key, or ``None``."""
        ...

    def put(self, scope: str, kid: str, *, instead_of: str | None) -> str:
        """Store ``kid`` if the scope has the index key ``instead_of``; return the id that is stored then."""
        ...


class IdHash:
    """Hashes ids with the index key of one scope, which is made at the first use.

    Args:
        keyring: Makes and unwraps keys of the scope.
        kids: Where the id of the scope's index key is kept.
        scope: Name of the scope.

    Raises:
        StoreUnavailableError: The store does not answer.
    """

    def __init__(self, keyring: KeyRing, kids: IndexKeyIds, *, scope: str = DEFAULT) -> None:
        self._key = _key_of(keyring, kids, scope)
        self._known: dict[str, str] = {}

    def __call__(self, value: str) -> str:
        """Return 16 hexadecimal digits."""
        found = self._known.get(value)
        if found is None:
            if len(self._known) >= _MOST_KEPT:
                self._known.clear()
            found = self._known[value] = self._key.keyed_hash(value.encode()).hex()
        return found


def _key_of(keyring: KeyRing, kids: IndexKeyIds, scope: str) -> DataKey:
    kid = kids.get(scope)
    if kid is not None:
        try:
            return keyring.index_key(kid)
        except UnreadableError as error:  # the store was restored without the key's row
            logger.warning("vault.index_key_lost", extra={"reason": error.reason, "key_id": kid})
    made = keyring.new_index_key(scope)
    stored = kids.put(scope, made.id.hex(), instead_of=kid)
    return made if stored == made.id.hex() else keyring.index_key(stored)


def in_clear(value: str) -> str:
    """Return the id as it can be stored: without NUL, which PostgreSQL has not, and not too long."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}")[:_MOST_CHARACTERS]


def word_for(
    query_ids: QueryIds, keyring: KeyRing, kids: IndexKeyIds, *, scope: str = DEFAULT
) -> Callable[[str], str]:
    """Return what makes of an id that which is stored.

    Raises:
        StoreUnavailableError: The store does not answer.
    """
    return in_clear if query_ids == "clear" else IdHash(keyring, kids, scope=scope)
