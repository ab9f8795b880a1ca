"""Reads the control topic as a log of intents, and writes intents in one transaction."""

import asyncio
import getpass
import logging
import time
import uuid
from collections.abc import Mapping
from typing import Protocol

from aiokafka.errors import KafkaError

from gnomon import codec
from gnomon.connection import aiokafka_clients
from gnomon.connection.refusals import broker_error
from gnomon.events import ModelIntent
from gnomon.models.intents import Intents, intent_key
from gnomon.runtime.kafka.reading import read_topic
from gnomon.settings import Settings
from gnomon.topics import CONTROL, INTENTS_ID

_ANSWER_S = 15.0


class IntentLog(Protocol):
    """Stores intents. Both calls block and raise ``BrokerUnavailableError``."""

    def read(self) -> Mapping[str, ModelIntent]:
        """Return the latest intent of each alias."""
        ...

    def write(self, changes: Mapping[str, ModelIntent | None]) -> None:
        """Write the intents by alias, all or none; ``None`` removes an alias."""
        ...


class ControlTopic:
    """The intents of one model on the control topic of one installation."""

    def __init__(self, settings: Settings) -> None:
        self._kafka, self._model = settings.kafka, settings.model_name
        self._prefix, self._topic = settings.topic_prefix, settings.topic_prefix + CONTROL.name

    def read(self) -> Mapping[str, ModelIntent]:
        """Return the latest intent of each alias.

        Raises:
            BrokerUnavailableError: No broker answers.
            ConfigurationError: There is no control topic.
        """
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # the error says it all
        return asyncio.run(self._read())

    def write(self, changes: Mapping[str, ModelIntent | None]) -> None:
        """Write the intents in one transaction; every replica has them when this returns.

        Raises:
            BrokerUnavailableError: No broker answers, or it has no control topic.
        """
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # the error says it all
        asyncio.run(self._write(changes))

    async def _read(self) -> Mapping[str, ModelIntent]:
        intents = Intents(self._model)
        async for record in read_topic(kafka=self._kafka, topic=self._topic, follow=False):
            intents.apply(record)
        return intents.by_alias

    async def _write(self, changes: Mapping[str, ModelIntent | None]) -> None:
        producer = aiokafka_clients.producer(
            self._kafka,
            acks="all",
            transactional_id=f"{self._prefix}{INTENTS_ID}{uuid.uuid4()}",
        )
        try:
            async with asyncio.timeout(_ANSWER_S):
                await producer.start()
                async with producer.transaction():
                    for alias, intent in changes.items():
                        value = None if intent is None else codec.encode(intent)
                        key = intent_key(self._model, alias)
                        await producer.send_and_wait(self._topic, value, key=key)
        except (KafkaError, OSError, TimeoutError) as error:
            raise await broker_error(self._kafka, error) from error
        finally:
            await producer.stop()


def now_ms() -> int:
    """Return the time in epoch milliseconds."""
    return time.time_ns() // 1_000_000


def author() -> str:
    """Return the name of the user who runs this process, as far as the system knows it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name
        return "unknown"
