"""Tell the control topic what somebody wants of a model, before it is done."""

import asyncio
import getpass
import logging
import time

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from gnomon import codec
from gnomon.errors import BrokerUnavailableError
from gnomon.events import ModelIntent
from gnomon.settings import Settings
from gnomon.topics import CONTROL

_ANSWER_S = 15.0


def now_ms() -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000


def author() -> str:
    """Who runs this command, as far as the system knows."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name
        return "unknown"


def publish(intent: ModelIntent, settings: Settings) -> None:
    """Write ``intent`` to the control topic; every replica has it when this returns.

    Raises:
        BrokerUnavailableError: No broker answers, or it has no control topic.
    """
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # the error says it all
    asyncio.run(_publish(intent, settings))


async def _publish(intent: ModelIntent, settings: Settings) -> None:
    topic = settings.topic_prefix + CONTROL.name
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.brokers, acks="all", enable_idempotence=True
    )
    try:
        async with asyncio.timeout(_ANSWER_S):
            await producer.start()
            await producer.send_and_wait(
                topic, codec.encode(intent), key=f"{intent.model}/{intent.alias}".encode()
            )
    except (KafkaError, OSError, TimeoutError) as error:
        raise BrokerUnavailableError(
            f"{topic} at {settings.brokers} cannot be written: {str(error) or 'no answer'}"
        ) from error
    finally:
        await producer.stop()
