"""AES-256-GCM written from FIPS 197 and NIST SP 800-38D: slow, plain, and nothing of OpenSSL's.

``test_envelope`` holds it against NIST's own vectors, and our records against it.
"""

from functools import cache

Block = list[int]


def gcm_seal(key: bytes, nonce: bytes, plain: bytes, associated: bytes) -> bytes:
    """Ciphertext and 16-byte tag; ``nonce`` has 12 bytes."""
    keys = _round_keys(key)
    count = -(-len(plain) // 16)
    stream = b"".join(_encrypt(keys, nonce + (2 + i).to_bytes(4, "big")) for i in range(count))
    sealed = bytes(a ^ b for a, b in zip(plain, stream, strict=False))
    lengths = (8 * len(associated)).to_bytes(8, "big") + (8 * len(sealed)).to_bytes(8, "big")
    hashed = _ghash(_encrypt(keys, bytes(16)), _padded(associated) + _padded(sealed) + lengths)
    mask = _encrypt(keys, nonce + (1).to_bytes(4, "big"))
    return sealed + bytes(a ^ b for a, b in zip(hashed, mask, strict=True))


def _padded(text: bytes) -> bytes:
    return text + bytes(-len(text) % 16)


def _ghash(subkey: bytes, text: bytes) -> bytes:
    h, y = int.from_bytes(subkey, "big"), 0
    for start in range(0, len(text), 16):
        x, v, y = y ^ int.from_bytes(text[start : start + 16], "big"), h, 0
        for bit in range(127, -1, -1):
            if x >> bit & 1:
                y ^= v
            v = (v >> 1) ^ (0xE1 << 120 if v & 1 else 0)
    return y.to_bytes(16, "big")


def _times(a: int, b: int) -> int:
    """Product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1."""
    product = 0
    while b:
        product ^= a if b & 1 else 0
        a = (a << 1) ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return product


@cache
def _substitute() -> list[int]:
    box = []
    for value in range(256):
        inverse = next((i for i in range(256) if _times(value, i) == 1), 0)
        turned = inverse
        for by in range(1, 5):
            turned ^= (inverse << by | inverse >> (8 - by)) & 0xFF
        box.append(turned ^ 0x63)
    return box


@cache
def _round_keys(key: bytes) -> list[Block]:
    box = _substitute()
    words = [list(key[i : i + 4]) for i in range(0, 32, 4)]
    constant = 1
    for i in range(8, 60):
        word = list(words[-1])
        if i % 8 == 0:
            word = [box[b] for b in word[1:] + word[:1]]
            word[0] ^= constant
            constant = _times(constant, 2)
        elif i % 8 == 4:
            word = [box[b] for b in word]
        words.append([a ^ b for a, b in zip(words[i - 8], word, strict=True)])
    return [[b for word in words[i : i + 4] for b in word] for i in range(0, 60, 4)]


def _encrypt(keys: list[Block], block: bytes) -> bytes:
    box = _substitute()
    state = [a ^ b for a, b in zip(block, keys[0], strict=True)]
    for number, key in enumerate(keys[1:], start=1):
        state = [box[b] for b in state]
        state = [state[(i + 4 * (i % 4)) % 16] for i in range(16)]
        if number < 14:
            state = [b for i in range(0, 16, 4) for b in _mixed(state[i : i + 4])]
        state = [a ^ b for a, b in zip(state, key, strict=True)]
    return bytes(state)


def _mixed(column: Block) -> Block:
    return [
        _times(column[i], 2)
        ^ _times(column[(i + 1) % 4], 3)
        ^ column[(i + 2) % 4]
        ^ column[(i + 3) % 4]
        for i in range(4)
    ]
