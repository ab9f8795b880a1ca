"""Find the record that a stage cannot fold, and fold everything around it.

A stage refuses a bad record by a dead letter of its own. What is here is for the record on which
it raises. Then its state may be half changed, and nobody knows which record of the batch it was.
So the state is put back as it was before the batch, and the batch is folded in halves, and those
in halves, each committed with its own offsets, until the record stands alone. It becomes a dead
letter with the reason ``stage_error``, and the state is put back once more. A record whose outputs
are too large for their topic is found in the same way; its reason is ``output_too_large``.

Dead letters wait to be committed until a record can be folded, or the batch ends: if the stage
raises on one record after the other, it is the stage that is broken (``failure_limit``).

The record must be left out of every later recovery too, or it would raise there again. The dead
letter says so: it is in the same transaction as the offset, outlives the record, and is read
before anything is folded again (``skips``). So a later version that could fold the record does not
do so behind its dead letter's back: redriving it folds it once.

A batch of n records with one such record costs about 2 log2(n) folds of parts, and memory for the
state, its snapshot and the state being put back, at once.
"""

import re
import traceback
from collections.abc import Awaitable, Callable, Sequence
from pathlib import PurePath
from typing import TypeVar

from gnomon.errors import ConfigurationError, OutputTooLargeError, TransientError
from gnomon.records import DeadLetter, Outputs, SourceRecord
from gnomon.runtime.partition.failure_limit import ConsecutiveFailureLimit
from gnomon.runtime.partition.ports import Stage

State = TypeVar("State")

STAGE_ERROR = "stage_error"
OUTPUT_TOO_LARGE = "output_too_large"
QUARANTINE_REASONS = frozenset({STAGE_ERROR, OUTPUT_TOO_LARGE})
"""Reasons of the dead letters made here: whatever has one is no part of the state."""
NOT_POISON = (TransientError, ConfigurationError, MemoryError)
"""Raised by a stage, these are no reason to look for a record."""
MAX_DETAIL = 300


async def fold_without_poison(
    stage: Stage[State],
    state: State,
    records: Sequence[SourceRecord],
    *,
    partition: int,
    apply: Callable[[State, Sequence[SourceRecord]], Awaitable[Outputs]],
    commit: Callable[[Sequence[SourceRecord], Outputs], Awaitable[None]],
    failure_limit: ConsecutiveFailureLimit,
) -> State:
    """Fold ``records`` without those on which ``apply`` raises or whose outputs are too large.

    Args:
        stage: Whose state it is.
        state: The state before the first of ``records``; not to be used afterwards.
        records: In the order in which they are to be folded.
        partition: Which input partition.
        apply: The stage's, or one that tries again while the world is bad.
        commit: Awaited for each part, in order, with all that was given folded or dead; raises
            ``OutputTooLargeError`` when it can never write that.
        failure_limit: Told of each record on which ``apply`` raised, and of each part that was folded.

    Returns:
        The state after the last of ``records``.

    Raises:
        StageBrokenError: ``apply`` raises on every record; those are not committed.
    """
    saved = stage.snapshot(state)
    parts = [records]
    dead: list[DeadLetter] = []

    async def commit_dead() -> None:
        if dead:
            await commit([letter.record for letter in dead], Outputs(dead=list(dead)))
            dead.clear()

    while parts:
        part = parts.pop()
        try:
            outputs = await apply(state, part)
        except NOT_POISON:
            raise
        except Exception as error:  # foreign code: whatever it raises is about these records
            state = restore_state(stage, partition, saved)
            if len(part) > 1:
                parts += _halves(part)
                continue
            detail = describe(error, part[0])
            failure_limit.raised(detail)
            dead.append(DeadLetter(part[0], STAGE_ERROR, detail))
            continue
        failure_limit.worked()
        await commit_dead()
        try:
            await commit(part, outputs)
        except OutputTooLargeError as error:
            state = restore_state(stage, partition, saved)
            if len(part) > 1:
                parts += _halves(part)
            else:
                dead.append(DeadLetter(part[0], OUTPUT_TOO_LARGE, str(error)))
        else:
            saved = stage.snapshot(state)
    await commit_dead()
    return state


def _halves(part: Sequence[SourceRecord]) -> list[Sequence[SourceRecord]]:
    """Both, the later first: they are taken from the end."""
    half = len(part) // 2
    return [part[half:], part[:half]]


def restore_state(stage: Stage[State], partition: int, saved: bytes) -> State:
    """The state that was saved."""
    return stage.restore(partition, saved) if stage.stateful else stage.new_state(partition)


def describe(error: Exception, record: SourceRecord) -> str:
    """Class, place and message of ``error``, without anything of the record's.

    An exception's message often quotes what it stumbled over. Only plain words that do not occur
    in the record are kept of it; the rest becomes an ellipsis.
    """
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    payload = b" ".join((record.key or b"", record.value or b"")).decode(errors="replace")
    folded = payload.casefold()
    # A JSON escape can hide a word of the record from the comparison.
    words = [] if "\\" in payload else str(error)[: 4 * MAX_DETAIL].split()
    kept = [
        word if re.fullmatch(r"[A-Za-z]+[.,:;]?", word) and _bare(word) not in folded else "…"
        for word in words
    ]
    message = re.sub(r"…( …)+", "…", " ".join(kept))
    return f"{type(error).__name__}{place}: {message}".removesuffix(": ")[:MAX_DETAIL]


def _bare(word: str) -> str:
    return word.rstrip(".,:;").casefold()
