"""Decisions as ``comparisons`` has them, and stages without Kafka."""

from collections.abc import Sequence
from hashlib import blake2b

import msgspec
from tests.support.decisions import a_decision
from tests.support.vaults import Read

from gnomon import codec
from gnomon.events import Comparison

BEGIN_MS = 1_760_000_400_000
"""The beginning of an hour."""


def comparison(number: int, *, every_ms: int = 1) -> Comparison:
    """Return decision ``number``, about 1 KB of JSON, which ended ``number * every_ms`` after the first."""
    made = a_decision(number, ended_at_ms=BEGIN_MS + number * every_ms, note="n" * 40)
    name = blake2b(b"%d" % number, digest_size=16).hexdigest()
    return msgspec.structs.replace(made, decision_id=name)


def records(first: int, count: int, *, partition: int = 0, every_ms: int = 1) -> Sequence[Read]:
    """Return records of ``comparisons`` with consecutive numbers, which are their offsets too."""
    return [
        Read(codec.encode(comparison(n, every_ms=every_ms)), n, partition)
        for n in range(first, first + count)
    ]
