"""What gnomon asks of whoever holds a key-encryption key: to wrap 32 bytes, and to unwrap them again."""

from typing import NamedTuple, Protocol

from gnomon.vault import envelope


class Secret:
    """The bytes of a key, in an object that shows them to nobody who prints or reports it."""

    __slots__ = ("_bytes",)

    def __init__(self, value: bytes) -> None:
        self._bytes = value

    def __repr__(self) -> str:
        return "Secret()"

    def __reduce__(self) -> str:
        raise TypeError("a secret is never written anywhere")

    def reveal(self) -> bytes:
        """Return the bytes. Pass them on at once: keep them in no variable."""
        return self._bytes


class Binding(NamedTuple):
    """What a wrapped key is bound to: a provider refuses to unwrap it under another binding.

    Attributes:
        purpose: Kind of the wrapped key, such as ``gnomon-scope-key-v1``.
        id: Id of the wrapped key.
        scope: Team, tenant or agent that it is for.
    """

    purpose: str
    id: str
    scope: str

    def encoded(self) -> bytes:
        """Return the fields as bytes, each preceded by its length."""
        return envelope.length_prefixed(*(field.encode() for field in self))


class Wrapped(NamedTuple):
    """A wrapped key.

    Attributes:
        kek_id: Key, and where it has one its version, that wraps it.
        blob: Its ciphertext, in the provider's own form.
    """

    kek_id: str
    blob: bytes


class KeyProvider(Protocol):
    """Holds key-encryption keys. Every method may be slow: it may ask a service.

    A provider makes no key-encryption key by itself. Errors of every method:
    ``KeyProviderUnavailableError`` if the service does not answer or refuses for now,
    ``UnreadableError`` as said below.
    """

    @property
    def id(self) -> str:
        """Id of the key that wraps from now on, as far as it is known without asking for it."""
        ...

    @property
    def name(self) -> str:
        """The provider for people: its URI, without secrets."""
        ...

    def owns(self, kek_id: str) -> bool:
        """Return whether ``kek_id`` is a key of this provider. It asks no service."""
        ...

    def is_current(self, kek_id: str) -> bool:
        """Return whether ``kek_id`` is the key that wraps from now on, so that no rewrap is needed."""
        ...

    def wrap(self, secret: Secret, binding: Binding) -> Wrapped:
        """Wrap ``secret`` with the newest key."""
        ...

    def unwrap(self, wrapped: Wrapped, binding: Binding) -> Secret:
        """Return what ``wrap`` wrapped.

        Raises:
            UnreadableError: ``unknown_key`` if no key of this provider wraps it, ``tampered`` if the
                bytes or the binding were changed.
        """
        ...
