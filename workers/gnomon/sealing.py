"""Payloads that only the holder of a private key opens. Format v1, of clients and of the vault.

Hybrid public-key encryption as in RFC 9180, base mode, one message a context: DHKEM(X25519,
HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305, no additional data beside the context's ``info``.

====== ====== ==========================================================
offset length field
====== ====== ==========================================================
0      2      magic ``GS``
2      1      version, 1
3      1      suite, 1: the one above
4      16     key id, the first 16 bytes of SHA-256 over a label and the public key
20     32     encapsulated key, RFC 9180's ``enc``
52     n + 16 ciphertext and tag
====== ====== ==========================================================

``info`` is a label, the first 20 bytes, and each field of the ``SealContext`` after its length in four
bytes: a payload moved to another task, agent or field does not open. The plaintext is a mapping's
JSON with spaces after it up to a multiple of 64 bytes, so that a length tells little.

Needs ``cryptography``, so a client imports this module only where it seals.
"""

import base64
import binascii
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from gnomon.errors import KeyUnavailableError, UnreadableError
from gnomon.events import ContextValue

Payload = dict[str, ContextValue]

HEADER_BYTES: Final = 20
OVERHEAD: Final = HEADER_BYTES + 32 + 16
PADDED_TO: Final = 64

_HEAD: Final = b"GS\x01\x01"
_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_SPKI: Final = bytes.fromhex("302a300506032b656e032100")
"""What RFC 8410 puts before the 32 bytes of an X25519 public key."""
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Payload).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class SealContext:
    """Where a sealed payload belongs. ``field`` is ``context`` or ``outcome``."""

    agent_id: str
    task_id: str
    field: str

    def info(self, header: bytes) -> bytes:
        """What RFC 9180 calls ``info``: no two places and headers give the same."""
        fields = (self.agent_id.encode(), self.task_id.encode(), self.field.encode())
        lengths = [part for f in fields for part in (len(f).to_bytes(4, "big"), f)]
        return b"".join([b"gnomon sealed payload", header, *lengths])


class SealingKey:
    """A public key to seal with.

    Attributes:
        id: Names the key pair: 32 hex digits.
    """

    __slots__ = ("_header", "_public", "id")

    def __init__(self, public: X25519PublicKey) -> None:
        self._public = public
        self._header = _HEAD + _key_id(public)
        self.id = self._header[len(_HEAD) :].hex()

    @classmethod
    def parse(cls, text: str) -> "SealingKey":
        """Read a PEM public key, or the one line that ``gnomon keys init-sealing`` prints.

        Raises:
            KeyUnavailableError: It is no X25519 public key, or one that nothing can be sealed for.
        """
        raw, mistaken = _raw(text), "PRIVATE KEY" in text
        del text  # it may be a secret, and a traceback shows its variables
        if mistaken:
            raise KeyUnavailableError("expected a public key, got a private one: keep it secret")
        if raw is None:
            raise KeyUnavailableError(
                "expected an X25519 public key, as gnomon keys init-sealing prints it"
            )
        key = cls(X25519PublicKey.from_public_bytes(raw))
        try:
            key.seal({}, SealContext(agent_id="", task_id="", field=""))
        except ValueError as error:
            raise KeyUnavailableError(
                "this X25519 public key is of small order: no secret comes of it"
            ) from error
        return key

    def line(self) -> str:
        """The key on one line, as ``parse`` reads it."""
        return base64.b64encode(_SPKI + self._public.public_bytes_raw()).decode()

    def seal(self, payload: Payload, place: SealContext) -> bytes:
        """Encrypt ``payload`` for ``place``."""
        plain = _encode(payload)
        plain += b" " * (-len(plain) % PADDED_TO)
        return self._header + _SUITE.encrypt(plain, self._public, place.info(self._header))


class OpeningKey:
    """A private key, which opens what its public key sealed. It prints no key bytes.

    Attributes:
        public: What clients are given.
    """

    __slots__ = ("_private", "public")

    def __init__(self, private: X25519PrivateKey) -> None:
        self._private = private
        self.public = SealingKey(private.public_key())

    @property
    def id(self) -> str:
        """Names the key pair: 32 hex digits."""
        return self.public.id

    def __repr__(self) -> str:
        return f"OpeningKey({self.id})"

    @classmethod
    def generate(cls) -> "OpeningKey":
        """A new random key."""
        return cls(X25519PrivateKey.generate())

    @classmethod
    def parse(cls, pem: bytes) -> "OpeningKey | None":
        """The key of an unencrypted PKCS #8 PEM file; ``None`` if it is none."""
        try:
            private = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError):
            return None
        return cls(private) if isinstance(private, X25519PrivateKey) else None

    def pem(self) -> bytes:
        """The secret itself, as a PKCS #8 PEM file that ``openssl pkey`` reads too."""
        return self._private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def open(self, sealed: bytes, place: SealContext) -> Payload:
        """Decrypt what was sealed for this key and the same place.

        Raises:
            UnreadableError: ``bad_header``, ``unknown_key`` (sealed for another key) or
                ``tampered`` (not these bytes, not this place, or no mapping inside).
        """
        named = key_id(sealed)
        if named != self.id:
            raise UnreadableError("unknown_key", f"sealed for key {named}, not for {self.id}")
        payload = self._opened(sealed, place)
        if payload is None:
            raise UnreadableError("tampered", "the bytes or their place were changed")
        return payload

    def _opened(self, sealed: bytes, place: SealContext) -> Payload | None:
        """The payload, or ``None``; no exception leaves while anything readable is held."""
        try:
            info = place.info(sealed[:HEADER_BYTES])
            return _decode(_SUITE.decrypt(sealed[HEADER_BYTES:], self._private, info))
        except (InvalidTag, UnicodeError, msgspec.DecodeError):
            return None


def key_id(sealed: bytes) -> str:
    """The id of the key pair that ``sealed`` names, 32 hex digits.

    Raises:
        UnreadableError: ``bad_header``: too short, or not a payload of version 1.
    """
    if len(sealed) < OVERHEAD:
        raise UnreadableError("bad_header", f"{len(sealed)} bytes, at least {OVERHEAD} expected")
    if not sealed.startswith(_HEAD):
        raise UnreadableError("bad_header", "not a sealed payload of version 1")
    return sealed[len(_HEAD) : HEADER_BYTES].hex()


def _raw(text: str) -> bytes | None:
    """The 32 bytes of a public key, or ``None`` where ``text`` is none."""
    lines = [line.strip() for line in text.splitlines()]
    body = "".join(line for line in lines if not line.startswith("-----"))
    try:
        der = base64.b64decode(body, validate=True)
    except binascii.Error:
        return None
    whole = der.startswith(_SPKI) and len(der) == len(_SPKI) + 32
    return der[len(_SPKI) :] if whole else None


def _key_id(public: X25519PublicKey) -> bytes:
    return sha256(b"gnomon/sealing-key-id/v1" + public.public_bytes_raw()).digest()[:16]
