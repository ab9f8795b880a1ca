"""RFC 9180's base mode for one message, written from its sections 4 to 6: the oracle of our format.

DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305. ``test_format`` holds it against the
RFC's own vector, and our payloads against it.
"""

import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

KEM_SUITE = b"KEM" + (0x0020).to_bytes(2, "big")
SUITE = b"HPKE" + b"".join(number.to_bytes(2, "big") for number in (0x0020, 0x0001, 0x0003))


def seal(
    public: bytes, ephemeral: bytes, plain: bytes, *, info: bytes, associated: bytes = b""
) -> bytes:
    """``enc`` and ciphertext, for the receiver's public and the sender's ephemeral key."""
    sender = X25519PrivateKey.from_private_bytes(ephemeral)
    enc = sender.public_key().public_bytes_raw()
    shared = sender.exchange(X25519PublicKey.from_public_bytes(public))
    key, nonce = _key_and_nonce(_shared_secret(shared, enc + public), info)
    return enc + ChaCha20Poly1305(key).encrypt(nonce, plain, associated)


def unseal(secret: bytes, sealed: bytes, *, info: bytes, associated: bytes = b"") -> bytes:
    """The plaintext of ``enc`` and ciphertext."""
    receiver, enc = X25519PrivateKey.from_private_bytes(secret), sealed[:32]
    shared = receiver.exchange(X25519PublicKey.from_public_bytes(enc))
    context = enc + receiver.public_key().public_bytes_raw()
    key, nonce = _key_and_nonce(_shared_secret(shared, context), info)
    return ChaCha20Poly1305(key).decrypt(nonce, sealed[32:], associated)


def _shared_secret(shared: bytes, context: bytes) -> bytes:
    extracted = _extract(KEM_SUITE, b"", b"eae_prk", shared)
    return _expand(KEM_SUITE, extracted, b"shared_secret", context, 32)


def _key_and_nonce(shared_secret: bytes, info: bytes) -> tuple[bytes, bytes]:
    psk_id_hash = _extract(SUITE, b"", b"psk_id_hash", b"")
    info_hash = _extract(SUITE, b"", b"info_hash", info)
    context = b"\x00" + psk_id_hash + info_hash
    secret = _extract(SUITE, shared_secret, b"secret", b"")
    return (
        _expand(SUITE, secret, b"key", context, 32),
        _expand(SUITE, secret, b"base_nonce", context, 12),
    )


def _extract(suite: bytes, salt: bytes, label: bytes, material: bytes) -> bytes:
    labelled = b"HPKE-v1" + suite + label + material
    return hmac.new(salt or bytes(32), labelled, hashlib.sha256).digest()


def _expand(suite: bytes, secret: bytes, label: bytes, info: bytes, length: int) -> bytes:
    """At most one block of HKDF-Expand."""
    labelled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.new(secret, labelled + b"\x01", hashlib.sha256).digest()[:length]
