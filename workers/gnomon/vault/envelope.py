"""Encryption of one record, format version 1, bound to the row in which it is stored. Pure.

A record that was changed, or moved to another row, does not open. All numbers are big-endian:
34 bytes of header, ciphertext as long as the plaintext, 16 bytes of tag.

====== ====== ==========================================================
offset length field
====== ====== ==========================================================
0      2      magic ``GN``
2      1      version, 1
3      1      algorithm, 1: AES-256-GCM, 96-bit nonce, 128-bit tag
4      2      flags, 0; an unknown flag is refused
6      16     key id, the first 16 bytes of the key's commitment
22     12     nonce, random
34     n + 16 ciphertext and tag
====== ====== ==========================================================

The header and the fields of ``AssociatedData`` are authenticated with the plaintext. Each field is
preceded by its length, so that no two sets of fields give the same bytes.
"""

import hmac
import os
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from gnomon.errors import UnreadableError

KEY_BYTES = 32
KEY_ID_BYTES = 16
NONCE_BYTES = 12
TAG_BYTES = 16
HASH_BYTES = 8

_MAGIC, _VERSION, _AES_256_GCM, _NO_FLAGS = b"GN", 1, 1, 0
_HEADER = struct.Struct(f">2sBBH{KEY_ID_BYTES}s{NONCE_BYTES}s")
_LONGEST_FIELD: Final = 65_535
_TOO_LONG: Final = "a field is longer than 65535 bytes"
NO_SUCH_ROW: Final = "no record has such an id or schema"
OVERHEAD = _HEADER.size + TAG_BYTES

Random = Callable[[int], bytes]
"""Returns the given number of unpredictable bytes, like ``os.urandom``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociatedData:
    """The row that a sealed value is bound to. A reader knows all of it from the row itself.

    Attributes:
        store: Name of the store.
        scope: Team or tenant.
        record_id: Key of the row.
        schema: Name and version of the plaintext's schema.
    """

    store: str
    scope: str
    record_id: str
    schema: str

    def encoded(self) -> bytes:
        """Return the fields as bytes, each preceded by its length.

        Raises:
            ValueError: A field is longer than 65,535 bytes, or is not valid Unicode.
        """
        return associated_bytes(self.store, self.scope, self.record_id, self.schema)


def associated_bytes(store: str, scope: str, record_id: str, schema: str) -> bytes:
    """Return what ``AssociatedData`` of these fields encodes to, in half the time.

    Raises:
        ValueError: A field is longer than 65,535 bytes, or is not valid Unicode.
    """
    before, after = _around(store, scope, schema)
    name = record_id.encode()
    if len(name) > _LONGEST_FIELD:
        raise ValueError(_TOO_LONG)
    return before + len(name).to_bytes(2, "big") + name + after


def associated_bytes_of(
    store: str, scope: str, record_ids: Iterable[str], schema: str
) -> list[bytes]:
    """Return ``associated_bytes`` of many records that differ in their id alone.

    Raises:
        ValueError: A field is longer than 65,535 bytes, or is not valid Unicode.
    """
    before, after = _around(store, scope, schema)
    names = [record_id.encode() for record_id in record_ids]
    try:
        return [before + len(name).to_bytes(2, "big") + name + after for name in names]
    except OverflowError as error:
        raise ValueError(_TOO_LONG) from error


@lru_cache(maxsize=1_000)
def _around(store: str, scope: str, schema: str) -> tuple[bytes, bytes]:
    """Return what is before and after the record's id: nearly all records of a process differ in that alone."""
    return length_prefixed(store.encode(), scope.encode()), length_prefixed(schema.encode())


class DataKey:
    """One data-encryption key. It keeps no key bytes that Python could print.

    A key that makes hashes seals nothing, and the reverse: each is a key of its own.

    Attributes:
        id: Identifier of this key: the first 16 bytes of the commitment.
        commitment: 32 bytes derived from the key, which do not reveal the key.
    """

    __slots__ = ("_cipher", "_hash", "_head", "commitment", "id")

    def __init__(self, secret: bytes) -> None:
        self._cipher = cipher(secret)
        self.commitment = expand(secret, about=b"gnomon/dek-commitment/v1", length=32)
        self.id = self.commitment[:KEY_ID_BYTES]
        self._head = _HEADER.pack(_MAGIC, _VERSION, _AES_256_GCM, _NO_FLAGS, self.id, b"")[
            :-NONCE_BYTES
        ]
        self._hash = hmac.new(
            expand(secret, about=b"gnomon/index-key/v1", length=KEY_BYTES), digestmod="sha256"
        )

    def __repr__(self) -> str:
        return f"DataKey({self.id.hex()})"

    def keyed_hash(self, value: bytes) -> bytes:
        """Return the first 8 bytes of HMAC-SHA256 of ``value``, under a key derived from this one."""
        hashed = self._hash.copy()
        hashed.update(value)
        return hashed.digest()[:HASH_BYTES]

    def seal(
        self, plain: bytes, associated_data: AssociatedData | bytes, *, random: Random = os.urandom
    ) -> bytes:
        """Encrypt ``plain``, bound to ``associated_data``; adds ``OVERHEAD`` bytes.

        Args:
            plain: What is encrypted.
            associated_data: The row; or what ``associated_bytes`` returned for it.
            random: Source of the nonce.
        """
        if isinstance(associated_data, AssociatedData):
            associated_data = associated_data.encoded()
        nonce = random(NONCE_BYTES)
        header = self._head + nonce
        return header + self._cipher.encrypt(nonce, plain, header + associated_data)

    def seal_all(
        self,
        plains: Sequence[bytes],
        associated_data: Sequence[bytes],
        *,
        random: Random = os.urandom,
    ) -> list[bytes]:
        """Encrypt many records, each bound to what ``associated_bytes`` returned for it.

        The nonces of all of them are drawn at once and used at once. None is kept for a later call: a
        virtual machine that is copied in between would use them twice.

        Args:
            plains: What is encrypted.
            associated_data: The row of each.
            random: Source of the nonces.
        """
        head, encrypt, sealed = self._head, self._cipher.encrypt, []
        nonces = random(NONCE_BYTES * len(plains))
        at = 0
        for plain, row in zip(plains, associated_data, strict=True):
            nonce = nonces[at : at + NONCE_BYTES]
            header = head + nonce
            sealed.append(header + encrypt(nonce, plain, header + row))
            at += NONCE_BYTES
        return sealed

    def open(self, sealed: bytes, associated_data: AssociatedData | bytes) -> bytes:
        """Decrypt bytes that ``seal`` returned for the same associated data.

        Args:
            sealed: What ``seal`` returned.
            associated_data: The row; or what ``associated_bytes`` returned for it.

        Raises:
            UnreadableError: ``bad_header``, ``unknown_key`` (another key sealed it) or
                ``tampered`` (the bytes or the associated data differ).
        """
        if key_id(sealed) != self.id:
            raise UnreadableError("unknown_key", f"sealed with another key than {self.id.hex()}")
        header = sealed[: _HEADER.size]
        if isinstance(associated_data, AssociatedData):
            try:
                associated_data = associated_data.encoded()
            except ValueError:
                raise UnreadableError("tampered", NO_SUCH_ROW) from None
        nonce, ciphertext = header[-NONCE_BYTES:], sealed[_HEADER.size :]
        try:
            return self._cipher.decrypt(nonce, ciphertext, header + associated_data)
        except InvalidTag:
            raise UnreadableError(
                "tampered", "the bytes, or the id they are under, changed"
            ) from None


def key_id(sealed: bytes) -> bytes:
    """Return the id of the key that sealed ``sealed``, 16 bytes.

    Raises:
        UnreadableError: ``bad_header``: ``sealed`` is too short or not of format version 1.
    """
    if len(sealed) < OVERHEAD:
        raise UnreadableError("bad_header", f"{len(sealed)} bytes, at least {OVERHEAD} expected")
    magic, version, algorithm, flags, named, _ = _HEADER.unpack_from(sealed)
    if (magic, version, algorithm, flags) != (_MAGIC, _VERSION, _AES_256_GCM, _NO_FLAGS):
        raise UnreadableError("bad_header", "not a record of version 1")
    return bytes(named)


def is_key_id(text: str) -> bool:
    """Return whether ``text`` looks like the id of a key: 32 hexadecimal digits."""
    return len(text) == 2 * KEY_ID_BYTES and all(c in "0123456789abcdef" for c in text)


def length_prefixed(*fields: bytes) -> bytes:
    """Join ``fields``, each preceded by its length in two bytes, so that no two lists are equal.

    Raises:
        ValueError: A field is longer than 65,535 bytes.
    """
    try:
        return b"".join([part for f in fields for part in (len(f).to_bytes(2, "big"), f)])
    except OverflowError as error:
        raise ValueError(_TOO_LONG) from error


def cipher(secret: bytes) -> AESGCM:
    """Return AES-256-GCM with the key ``secret``; a shorter key would silently select AES-128.

    Raises:
        ValueError: ``secret`` is not 32 bytes.
    """
    if len(secret) != KEY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(secret)}")
    return AESGCM(secret)


def expand(secret: bytes, *, about: bytes, length: int) -> bytes:
    """Derive ``length`` public bytes from a uniformly random ``secret`` (HKDF-Expand, SHA-256)."""
    return HKDFExpand(algorithm=SHA256(), length=length, info=about).derive(secret)
