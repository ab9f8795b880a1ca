"""Computes a unit's variant from the unit and the experiment's settings alone."""

import hashlib
from bisect import bisect_right
from itertools import accumulate
from struct import Struct
from typing import Final

from gnomon.experiment.settings import PARTS, Experiment

_unpack: Final = Struct(">QQ16x").unpack


class Assignment:
    """Assigns variants to units.

    SHA-256 of the salt, a zero byte and the unit, all in UTF-8, gives two numbers: its first and its
    second eight bytes (big-endian), each modulo 10,000. The first, the slot, picks the variant: the
    variants in the order of their names have as many slots each as they have parts. The second, the
    rank, determines when the unit takes part: when the share of the ramp is greater than it. So a
    unit that takes part keeps its variant for ever, and at every share the variants have their weights.

    Attributes:
        control: The variant of units that do not take part.
    """

    __slots__ = ("_bounds", "_hash", "_variants", "control")

    def __init__(self, settings: Experiment) -> None:
        self.control = settings.control
        salt = settings.salt or settings.name
        self._hash = hashlib.sha256(salt.encode() + b"\0")
        ordered = sorted(settings.variants.items())
        self._variants = [name for name, _ in ordered]
        self._bounds = list(accumulate(weight for _, weight in ordered))

    def variant(self, unit: str, share: int) -> str | None:
        """Return the variant of ``unit``; ``None`` if it does not take part at ``share``.

        Args:
            unit: The unit, for example a customer or a repository.
            share: Parts per 10,000 of all units that take part.

        Raises:
            UnicodeEncodeError: ``unit`` has a lone surrogate.
        """
        digest = self._hash.copy()
        digest.update(unit.encode())
        slot, rank = _unpack(digest.digest())
        if rank % PARTS >= share:
            return None
        return self._variants[bisect_right(self._bounds, slot % PARTS)]
