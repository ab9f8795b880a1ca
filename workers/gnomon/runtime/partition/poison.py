"""Finds the record on which a stage raises, by bisection, and processes the rest of the batch.

A stage reports a record it refuses as a dead letter itself. This module handles the record on which the
stage raises: then the state may be half changed, and the error does not say which record caused it. The
state is restored to before the batch, and the batch is processed in halves, those again in halves, each
committed with its own offsets, until the record is alone. It becomes a dead letter with the reason
``stage_error``, and the state is restored once more. A record whose outputs are too large for their
topic is found in the same way, and has the reason ``output_too_large``.

Dead letters are not committed before another record was processed, or the batch has ended: a stage that
raises on one record after the other is broken itself (``failure_limit``).

Every later recovery must skip the record too, or the stage would raise again. Recovery learns it from
the dead letter, which is in the same transaction as the offset and is kept longer than the record
(``quarantine``). A later version of the stage skips the record as well, until it is redriven: so it is
processed once.

For a batch of n records, one poison record costs about 2 log2(n) calls of ``apply``, and memory for the
state, its snapshot and the restored state at the same time.
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
"""Reasons of the dead letters made here; their records are no part of the state."""
NOT_POISON = (TransientError, ConfigurationError, MemoryError)
"""Errors of a stage that are not caused by a record."""
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
        stage: Serialises and restores the state.
        state: The state before the first of ``records``; must not be used afterwards.
        records: In order.
        partition: Input partition.
        apply: The stage's ``apply``, or one that also retries transient errors.
        commit: Awaited in order for each part that was folded or quarantined; raises
            ``OutputTooLargeError`` if the outputs can never be written.
        failure_limit: Counts the records on which ``apply`` raises.

    Returns:
        The state after the last of ``records``.

    Raises:
        StageBrokenError: ``apply`` raises on every record; those are not committed.
    """
    saved = stage.snapshot(state)
    parts = [records]  # a stack
    dead: list[DeadLetter] = []

    async def commit_dead() -> None:
        if dead:
            await commit([each.record for each in dead], Outputs(dead=list(dead)))
            dead.clear()

    while parts:
        part = parts.pop()
        try:
            outputs = await apply(state, part)
        except NOT_POISON:
            raise
        except Exception as error:  # foreign code: any other error is about these records
            state = restore_state(stage, partition, saved)
            if len(part) > 1:
                parts += _halves(part)
                continue
            detail = describe(error, part[0])
            failure_limit.failed(detail)
            dead.append(DeadLetter(part[0], STAGE_ERROR, detail))
            continue
        failure_limit.succeeded()
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
    """Both halves, the later first: the stack is popped from its end."""
    half = len(part) // 2
    return [part[half:], part[:half]]


def restore_state(stage: Stage[State], partition: int, saved: bytes) -> State:
    """Return the state that ``saved`` holds."""
    return stage.restore(partition, saved) if stage.stateful else stage.new_state(partition)


def describe(error: Exception, record: SourceRecord) -> str:
    """Return class, source line and message of ``error``, without any content of the record.

    The message of an exception often quotes the value that caused it. Only plain words that do not
    occur in the record are kept; the rest becomes an ellipsis.
    """
    frames = traceback.extract_tb(error.__traceback__)
    location = f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    payload = b" ".join((record.key or b"", record.value or b"")).decode(errors="replace")
    lowered = payload.casefold()
    # With JSON escapes, a word of the record may be spelt differently in the message.
    words = [] if "\\" in payload else str(error)[: 4 * MAX_DETAIL].split()
    kept = [
        word if re.fullmatch(r"[A-Za-z]+[.,:;]?", word) and _bare(word) not in lowered else "…"
        for word in words
    ]
    message = re.sub(r"…( …)+", "…", " ".join(kept))
    return f"{type(error).__name__}{location}: {message}".removesuffix(": ")[:MAX_DETAIL]


def _bare(word: str) -> str:
    return word.rstrip(".,:;").casefold()
