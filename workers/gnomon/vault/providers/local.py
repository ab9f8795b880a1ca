"""Key-encryption keys in a file or in an environment variable, one a line, the newest first.

A missing or malformed key is always an error: a new key, made silently, could not open what was
sealed before. Functions never raise while a variable holds raw key bytes, because error reports
show local variables.
"""

import base64
import binascii
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from gnomon.errors import KeyUnavailableError, UnreadableError
from gnomon.vault import envelope
from gnomon.vault.files import read_private, replace_private, write_private
from gnomon.vault.keys import KeyEncryptionKey
from gnomon.vault.wrapping import Binding, Secret, Wrapped

MOST_KEYS: Final = 50
"""Most keys of one file: more than years of rotations leave."""


class LocalKeys:
    """Keys of this machine. The first wraps, all unwrap.

    Args:
        name: The file or the variable, for people.
        load: Reads the keys again; called when a key is asked for that was not there before.

    Raises:
        KeyUnavailableError: There is no key, it is malformed, or others may read it.
    """

    def __init__(self, name: str, load: Callable[[], Sequence[KeyEncryptionKey]]) -> None:
        self._name, self._load = name, load
        self._keys = load()

    def __repr__(self) -> str:
        return f"LocalKeys({self._name})"

    @property
    def id(self) -> str:
        """Id of the key that wraps."""
        return self._keys[0].id

    @property
    def ids(self) -> list[str]:
        """Ids of all keys, the newest first."""
        return [key.id for key in self._keys]

    @property
    def name(self) -> str:
        """The file or the variable."""
        return self._name

    def owns(self, kek_id: str) -> bool:
        """Return whether the key is here. The file is read again for a key not seen before."""
        return self._key(kek_id) is not None

    def is_current(self, kek_id: str) -> bool:
        """Return whether ``kek_id`` is the first key of the file as it is now."""
        self._reload()
        return kek_id == self.id

    def wrap(self, secret: Secret, binding: Binding) -> Wrapped:
        """Wrap with the first key of the file as it is now."""
        self._reload()
        return self._keys[0].wrap(secret, binding)

    def unwrap(self, wrapped: Wrapped, binding: Binding) -> Secret:
        """Unwrap with the key that wrapped it."""
        key = self._key(wrapped.kek_id)
        if key is None:
            raise UnreadableError(
                "unknown_key", f"key {binding.id} is wrapped by {wrapped.kek_id}, not by {self.id}"
            )
        return key.unwrap(wrapped, binding)

    def _key(self, kek_id: str) -> KeyEncryptionKey | None:
        found = next((key for key in self._keys if key.id == kek_id), None)
        if found is None and envelope.is_key_id(kek_id):
            self._reload()
            found = next((key for key in self._keys if key.id == kek_id), None)
        return found

    def _reload(self) -> None:
        """Read the keys again; the old ones stay in use if they cannot be read now."""
        try:
            self._keys = self._load()
        except KeyUnavailableError:
            return


def from_text(text: str, *, name: str) -> LocalKeys:
    """Return the keys in the value of a variable, separated by commas.

    Raises:
        KeyUnavailableError: The value is not the base64 of 32 bytes, or several of them.
    """
    keys = parsed(text.encode().replace(b",", b"\n"))
    if keys is None:
        raise KeyUnavailableError(f"{name} is not the base64 of 32 bytes")
    return LocalKeys(name, lambda: keys)


def from_file(path: Path) -> LocalKeys:
    """Return the keys in a file.

    Raises:
        KeyUnavailableError: There is no key, it is malformed, or others may read the file.
    """
    return LocalKeys(str(path), lambda: _read(path))


def create_key_file(path: Path) -> LocalKeys:
    """Write a new random key to ``path``, readable by its owner only.

    Raises:
        KeyUnavailableError: The file exists (it is not changed) or cannot be written.
    """
    write_private(path, _new_line)
    return from_file(path)


def add_key(path: Path) -> LocalKeys:
    """Put a new random key before those in ``path``; the file is replaced in one step.

    Raises:
        KeyUnavailableError: The file is no usable key file (it is not changed), it has
            ``MOST_KEYS`` keys, or it cannot be replaced.
    """
    if len(_read(path)) >= MOST_KEYS:
        raise KeyUnavailableError(
            f"{path} has {MOST_KEYS} keys: run gnomon keys rewrap, then remove lines that"
            " gnomon keys list shows as unused"
        )
    replace_private(path, lambda old: _new_line() + old.strip() + b"\n")
    return from_file(path)


def _new_line() -> bytes:
    return base64.b64encode(os.urandom(envelope.KEY_BYTES)) + b"\n"


def _read(path: Path) -> Sequence[KeyEncryptionKey]:
    return read_private(
        path,
        parsed,
        missing=f"no key: GNOMON_KEY is not set and {path} does not exist."
        " Make one with: gnomon keys init",
        expected="a key file (one line, the base64 of 32 bytes); restore it from a backup",
    )


def parsed(text: bytes) -> Sequence[KeyEncryptionKey] | None:
    """Return the keys in ``text``, one a line; ``None`` if a line is no key or a key is there twice."""
    keys = [_key_of(line) for line in text.strip().split(b"\n")]
    whole = [key for key in keys if key is not None]
    if len(whole) != len(keys) or len({key.id for key in whole}) != len(keys):
        return None
    return whole


def _key_of(line: bytes) -> KeyEncryptionKey | None:
    try:
        secret = base64.b64decode(line.strip(), validate=True)
    except binascii.Error:
        return None
    return KeyEncryptionKey(secret) if len(secret) == envelope.KEY_BYTES else None
