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

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from gnomon.errors import UnreadableError

KEY_BYTES = 32
KEY_ID_BYTES = 16
NONCE_BYTES = 12
TAG_BYTES = 16

_MAGIC, _VERSION, _AES_256_GCM, _NO_FLAGS = b"GN", 1, 1, 0
_HEADER = struct.Struct(f">2sBBH{KEY_ID_BYTES}s{NONCE_BYTES}s")
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
        return length_prefixed(
            self.store.encode(), self.scope.encode(), self.record_id.encode(), self.schema.encode()
        )


class DataKey:
    """One data-encryption key. It keeps no key bytes that Python could print.

    Attributes:
        id: Identifier of this key: the first 16 bytes of the commitment.
        commitment: 32 bytes derived from the key, which do not reveal the key.
    """

    __slots__ = ("_cipher", "commitment", "id")

    def __init__(self, secret: bytes) -> None:
        self._cipher = cipher(secret)
        self.commitment = expand(secret, about=b"gnomon/dek-commitment/v1", length=32)
        self.id = self.commitment[:KEY_ID_BYTES]

    def __repr__(self) -> str:
        return f"DataKey({self.id.hex()})"

    def seal(
        self, plain: bytes, associated_data: AssociatedData, *, random: Random = os.urandom
    ) -> bytes:
        """Encrypt ``plain``, bound to ``associated_data``; adds ``OVERHEAD`` bytes."""
        nonce = random(NONCE_BYTES)
        header = _HEADER.pack(_MAGIC, _VERSION, _AES_256_GCM, _NO_FLAGS, self.id, nonce)
        return header + self._cipher.encrypt(nonce, plain, header + associated_data.encoded())

    def open(self, sealed: bytes, associated_data: AssociatedData) -> bytes:
        """Decrypt bytes that ``seal`` returned for the same associated data.

        Raises:
            UnreadableError: ``bad_header``, ``unknown_key`` (another key sealed it) or
                ``tampered`` (the bytes or the associated data differ).
        """
        if key_id(sealed) != self.id:
            raise UnreadableError("unknown_key", f"sealed with another key than {self.id.hex()}")
        header = sealed[: _HEADER.size]
        try:
            associated = header + associated_data.encoded()
        except ValueError:
            raise UnreadableError("tampered", "no record has such an id or schema") from None
        try:
            return self._cipher.decrypt(header[-NONCE_BYTES:], sealed[_HEADER.size :], associated)
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


def length_prefixed(*fields: bytes) -> bytes:
    """Join ``fields``, each preceded by its length in two bytes, so that no two lists are equal.

    Raises:
        ValueError: A field is longer than 65,535 bytes.
    """
    try:
        return b"".join([part for f in fields for part in (len(f).to_bytes(2, "big"), f)])
    except OverflowError as error:
        raise ValueError("a field is longer than 65535 bytes") from error


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
