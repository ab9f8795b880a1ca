"""Repeat a request to Kafka while its error is transient, and wait for several requests at once."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, Final

from aiokafka import errors as kafka
from aiokafka.errors import KafkaError

RETRY_S: Final = 25.0
"""For how long a request is repeated; shortly after that Kafka aborts the transaction anyway."""
FIRST_BACKOFF_S: Final = 0.003
"""The first wait while the broker is still completing the transaction before."""
BACKOFF_S: Final = 0.05
SETTLE_S: Final = 1.0
"""How long a cancelled caller waits for requests in flight: nothing may arrive after the abort."""

_TRANSIENT = (
    kafka.ConcurrentTransactions,
    kafka.OperationNotAttempted,
    kafka.KafkaConnectionError,
)
"""Transient errors, in addition to those that aiokafka marks as retriable."""

_NEWER: Final[dict[int, type[KafkaError]]] = {
    82: kafka.IllegalGenerationError,  # FENCED_INSTANCE_ID: another process is the static member
    88: kafka.ConcurrentTransactions,  # UNSTABLE_OFFSET_COMMIT: a transaction with the offset is open
    90: kafka.InvalidProducerEpoch,  # PRODUCER_FENCED
}
"""Error codes that aiokafka does not know, as its error with the same consequence."""

ErrorCodes = Iterable[int]
"""Error codes of Kafka's protocol; 0 means no error."""
SendRequest = Callable[[], Awaitable[ErrorCodes]]


async def retry_until_done(
    send: SendRequest,
    *,
    refresh_metadata: Callable[[], Awaitable[None]],
    within_s: float | None = None,
) -> None:
    """Repeat ``send`` with back-off until no error is left.

    Args:
        send: Sends a request, or several.
        refresh_metadata: Awaited before a repeat, unless the only obstacle is another transaction:
            the leader or the coordinator may have moved.
        within_s: For how long to repeat; ``RETRY_S`` if it is ``None``.

    Raises:
        ProducerFenced: A producer with the same transactional id has started since.
        KafkaError: The error is not transient, or has persisted for that long.
    """
    clock_s = asyncio.get_running_loop().time
    until_s = clock_s() + (RETRY_S if within_s is None else within_s)
    wait_s = FIRST_BACKOFF_S
    while errors := await _errors_of(send):
        for error in errors:
            if isinstance(error, kafka.InvalidProducerEpoch):
                raise kafka.ProducerFenced from error
            if not (error.retriable or isinstance(error, _TRANSIENT)):
                raise error
        if clock_s() >= until_s:
            raise errors[0]
        if not all(isinstance(error, kafka.ConcurrentTransactions) for error in errors):
            wait_s = BACKOFF_S
            await refresh_metadata()
        await asyncio.sleep(wait_s)
        wait_s = min(wait_s * 2, BACKOFF_S)


async def _errors_of(send: SendRequest) -> Sequence[KafkaError]:
    """The errors of one attempt; a batch that the broker has already stored is no error."""
    try:
        errors: list[KafkaError] = [_error_of(code) for code in await send() if code]
    except KafkaError as error:
        errors = [error]
    return [e for e in errors if not isinstance(e, kafka.DuplicateSequenceNumber)]


def _error_of(code: int) -> KafkaError:
    return _NEWER.get(code, kafka.for_code(code))()


def error_codes(response: Any) -> ErrorCodes:
    """The error codes in a response: one for all of it, or one for each partition."""
    if hasattr(response, "error_code"):
        return [response.error_code]
    topics = response.topics if hasattr(response, "topics") else response.errors
    return [partition[1] for topic in topics for partition in topic[1]]


async def run_all(work: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Await all of ``work`` at once.

    Raises:
        ProducerFenced: One of them was fenced, whatever else failed.
        BaseException: The first other failure, once all of them have ended.
    """
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        await asyncio.wait(tasks)
    except asyncio.CancelledError:
        await asyncio.wait(tasks, timeout=SETTLE_S)
        for task in tasks:
            task.cancel()
        raise
    errors = [error for task in tasks if (error := task.exception()) is not None]
    errors.sort(key=lambda error: not isinstance(error, kafka.ProducerFenced))
    if errors:
        raise errors[0]
