"""Several providers as one: the first wraps, whichever has the key unwraps."""

from collections.abc import Sequence

from gnomon.errors import UnreadableError
from gnomon.vault.wrapping import Binding, KeyProvider, Secret, Wrapped


class ProviderChain:
    """The provider in force, and those that are retired but still unwrap what they wrapped.

    Args:
        current: The provider that wraps.
        retired: Providers that only unwrap.
    """

    def __init__(self, current: KeyProvider, retired: Sequence[KeyProvider] = ()) -> None:
        self._current, self._all = current, (current, *retired)

    def __repr__(self) -> str:
        return repr(self._current)

    @property
    def id(self) -> str:
        """Id of the key that wraps."""
        return self._current.id

    @property
    def name(self) -> str:
        """Name of the provider that wraps."""
        return self._current.name

    def owns(self, kek_id: str) -> bool:
        """Return whether one of the providers has the key."""
        return any(each.owns(kek_id) for each in self._all)

    def is_current(self, kek_id: str) -> bool:
        """Return whether ``kek_id`` is the key that wraps from now on."""
        return self._current.owns(kek_id) and self._current.is_current(kek_id)

    def wrap(self, secret: Secret, binding: Binding) -> Wrapped:
        """Wrap with the provider in force."""
        return self._current.wrap(secret, binding)

    def unwrap(self, wrapped: Wrapped, binding: Binding) -> Secret:
        """Unwrap with the provider that has the key."""
        for each in self._all:
            if each.owns(wrapped.kek_id):
                return each.unwrap(wrapped, binding)
        raise UnreadableError(
            "unknown_key",
            f"key {binding.id} is wrapped by {wrapped.kek_id}, not by {self._current.id}",
        )
