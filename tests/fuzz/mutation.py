"""Random changes to bytes, as fuzzers make them."""

import random
from collections.abc import Sequence
from typing import Final

INTERESTING: Final = (0, 1, 2, 3, 0x0F, 0x10, 0x20, 0x22, 0x2C, 0x5C, 0x7D, 0x7F, 0x80, 0xFE, 0xFF)
MAX_BYTES: Final = 1 << 16


def mutated(
    data: bytes, corpus: Sequence[bytes], words: Sequence[bytes], chance: random.Random
) -> bytes:
    """Change ``data`` in one to eight places.

    Args:
        data: What is changed.
        corpus: Other inputs, of which parts may come in.
        words: Byte strings that mean something to the target.
        chance: Decides.
    """
    changed = bytearray(data)
    for _ in range(1 << chance.randrange(4)):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(9):
            case 0 if at < len(changed):
                changed[at] ^= 1 << chance.randrange(8)
            case 1 if at < len(changed):
                changed[at] = chance.choice(INTERESTING)
            case 2:
                changed.insert(at, chance.randrange(256))
            case 3:
                del changed[at : at + 1 + int(chance.expovariate(0.3))]
            case 4:
                changed[at:at] = changed[at : at + chance.randrange(1, 40)]
            case 5:
                changed[at:at] = chance.choice(words)
            case 6:
                word = chance.choice(words)
                changed[at : at + len(word)] = word
            case 7 if at < len(changed):
                changed[at] = (changed[at] + chance.randrange(-9, 10)) % 256
            case 8:
                other = chance.choice(corpus)
                start = chance.randrange(len(other) + 1)
                part = other[start : start + chance.randrange(1, 200)]
                changed[at : at + chance.choice((0, len(part)))] = part
            case _:
                changed.append(chance.randrange(256))
    return bytes(changed[:MAX_BYTES])
