"""Sealed records, changed: only those that were sealed open, and nothing but ``UnreadableError`` is raised.

The first byte of an input chooses the key and the row under which the rest is opened.
"""

from functools import partial
from typing import Final

from gnomon.errors import UnreadableError
from gnomon.vault.envelope import AssociatedData, DataKey

KEYS: Final = tuple(DataKey(bytes([n]) * 32) for n in (1, 2))
PLACES: Final = tuple(
    AssociatedData(store=store, scope=scope, record_id=record_id, schema="comparison.v1")
    for store, scope, record_id in (
        ("decisions", "default", "d-1"),
        ("decisions", "default", "d-2"),
        ("decisions", "defaultd", "-1"),
        ("roots", "gnomon.roots", "root/0/1/1/1"),
    )
)
PLAINS: Final = (b"", b"{}", b"x" * 64, b'{"kind":"comparison.v1"}' * 8)
WORDS: Final = (b"GN\x01\x01\x00\x00", b"GN", *(key.id for key in KEYS), b"\x00" * 12, b"\x00" * 16)
REASONS: Final = {"unknown_key", "tampered", "bad_header"}


def _repeated(pattern: bytes, length: int) -> bytes:
    return (pattern * length)[:length]


def _seeds() -> dict[bytes, bytes]:
    """Return the plaintext of each input that must open."""
    found = {}
    for chosen in range(len(KEYS) * len(PLACES)):
        key, place = KEYS[chosen % 2], PLACES[chosen // 2]
        for number, plain in enumerate(PLAINS):
            nonce = bytes([chosen, number])
            sealed = key.seal(plain, place, random=partial(_repeated, nonce))
            found[bytes([chosen]) + sealed] = plain
    return found


SEALED: Final = _seeds()


def seeds() -> list[bytes]:
    """Every key, row and length."""
    return list(SEALED)


def check(data: bytes) -> None:
    """Open ``data``; only what was sealed may open."""
    chosen, sealed = data[:1], data[1:]
    number = chosen[0] % (len(KEYS) * len(PLACES)) if chosen else 0
    expected = SEALED.get(bytes([number]) + sealed)
    try:
        plain = KEYS[number % 2].open(sealed, PLACES[number // 2])
    except UnreadableError as error:
        if expected is not None or error.reason not in REASONS:
            raise
    else:
        assert plain == expected
