"""Encrypted payloads that only the holder of a private key can open. Format version 1.

The client seals payloads and the vault opens them. The scheme is the hybrid public-key encryption
of RFC 9180 (HPKE) in base mode, with one message per HPKE context: DHKEM(X25519, HKDF-SHA256),
HKDF-SHA256, ChaCha20-Poly1305. No associated data is used; ``info`` carries the binding.

====== ====== ==========================================================
offset length field
====== ====== ==========================================================
0      2      magic ``GS``
2      1      version, 1
3      1      suite, 1: the algorithms named above
4      16     key id, the first 16 bytes of SHA-256 over a label and the public key
20     32     encapsulated key, RFC 9180's ``enc``
52     n + 16 ciphertext and tag
====== ====== ==========================================================

``info`` is a label, the 20 bytes of header, and each field of the ``SealContext``, preceded by its
length in four bytes. A payload that is moved to another task, agent or field does not open. The
plaintext is JSON of a mapping, padded with spaces to a multiple of 64 bytes, so that the length of
a payload reveals little.

This module needs ``cryptography``; a client imports it only if it seals payloads.
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
"""DER prefix of an X25519 public key (RFC 8410); the 32 bytes of the key follow it."""
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Payload).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class SealContext:
    """The task and field that a sealed payload is bound to.

    Attributes:
        agent_id: Agent of the task.
        task_id: The task.
        field: ``context`` or ``outcome``.
    """

    agent_id: str
    task_id: str
    field: str

    def info(self, header: bytes) -> bytes:
        """Return the ``info`` bytes of RFC 9180; different contexts or headers never give the same."""
        fields = (self.agent_id.encode(), self.task_id.encode(), self.field.encode())
        lengths = [part for f in fields for part in (len(f).to_bytes(4, "big"), f)]
        return b"".join([b"gnomon sealed payload", header, *lengths])


class SealingKey:
    """A public key, which seals payloads.

    Attributes:
        id: Identifier of the key pair, 32 hex digits.
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
            KeyUnavailableError: ``text`` is not an X25519 public key, or is one of small order.
        """
        raw, mistaken = _raw(text), "PRIVATE KEY" in text
        del text  # it may be a secret, and error reports show local variables
        if mistaken:
            raise KeyUnavailableError("expected a public key, got a private key: keep it secret")
        if raw is None:
            raise KeyUnavailableError(
                "expected an X25519 public key, as `gnomon keys init-sealing` prints it"
            )
        key = cls(X25519PublicKey.from_public_bytes(raw))
        try:
            key.seal({}, SealContext(agent_id="", task_id="", field=""))
        except ValueError as error:
            raise KeyUnavailableError(
                "this X25519 public key is of small order and cannot keep anything secret"
            ) from error
        return key

    def line(self) -> str:
        """Return the key as one line of text, which ``parse`` reads."""
        return base64.b64encode(_SPKI + self._public.public_bytes_raw()).decode()

    def seal(self, payload: Payload, context: SealContext) -> bytes:
        """Encrypt ``payload`` and bind it to ``context``."""
        plain = _encode(payload)
        plain += b" " * (-len(plain) % PADDED_TO)
        return self._header + _SUITE.encrypt(plain, self._public, context.info(self._header))


class OpeningKey:
    """A private key, which opens payloads sealed with its public key. ``repr`` shows no key bytes.

    Attributes:
        public: The public key, which is given to clients.
    """

    __slots__ = ("_private", "public")

    def __init__(self, private: X25519PrivateKey) -> None:
        self._private = private
        self.public = SealingKey(private.public_key())

    @property
    def id(self) -> str:
        """Identifier of the key pair, 32 hex digits."""
        return self.public.id

    def __repr__(self) -> str:
        return f"OpeningKey({self.id})"

    @classmethod
    def generate(cls) -> "OpeningKey":
        """Make a new random key."""
        return cls(X25519PrivateKey.generate())

    @classmethod
    def parse(cls, pem: bytes) -> "OpeningKey | None":
        """Read an unencrypted PKCS #8 PEM file; return ``None`` if it holds no X25519 key."""
        try:
            private = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError):
            return None
        return cls(private) if isinstance(private, X25519PrivateKey) else None

    def pem(self) -> bytes:
        """Return the private key itself as a PKCS #8 PEM file, which ``openssl pkey`` reads too."""
        return self._private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def open(self, sealed: bytes, context: SealContext) -> Payload:
        """Decrypt a payload that was sealed for this key and the same context.

        Raises:
            UnreadableError: ``bad_header``, ``unknown_key`` (sealed for another key) or
                ``tampered`` (the bytes or the context differ, or the plaintext is no mapping).
        """
        named = key_id(sealed)
        if named != self.id:
            raise UnreadableError("unknown_key", f"sealed for key {named}, not for {self.id}")
        payload = self._opened(sealed, context)
        if payload is None:
            raise UnreadableError("tampered", "the bytes, or the task they belong to, were changed")
        return payload

    def _opened(self, sealed: bytes, context: SealContext) -> Payload | None:
        """Return the payload, or ``None``; raising here would expose plaintext in a traceback."""
        try:
            info = context.info(sealed[:HEADER_BYTES])
            return _decode(_SUITE.decrypt(sealed[HEADER_BYTES:], self._private, info))
        except (InvalidTag, UnicodeError, msgspec.DecodeError):
            return None


def key_id(sealed: bytes) -> str:
    """Return the id of the key pair that ``sealed`` was sealed for, 32 hex digits.

    Raises:
        UnreadableError: ``bad_header``: ``sealed`` is too short or not of format version 1.
    """
    if len(sealed) < OVERHEAD:
        raise UnreadableError("bad_header", f"{len(sealed)} bytes, at least {OVERHEAD} expected")
    if not sealed.startswith(_HEAD):
        raise UnreadableError("bad_header", "not a sealed payload of version 1")
    return sealed[len(_HEAD) : HEADER_BYTES].hex()


def _raw(text: str) -> bytes | None:
    """Return the 32 bytes of a public key, or ``None`` if ``text`` is no X25519 public key."""
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
