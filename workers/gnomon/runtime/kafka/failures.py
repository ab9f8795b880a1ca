"""Turns an error of aiokafka into gnomon's, by what the operator does about it (``kafka_errors``)."""

from typing import Final

from aiokafka.errors import KafkaError

from gnomon.errors import BrokerUnavailableError, ConfigurationError, GnomonError, StalledError
from gnomon.kafka_errors import Action, action_of

_ADVICE: Final[dict[Action, str]] = {
    "wait": "it passes when the brokers are back; is Kafka running, and is GNOMON_BROKERS right?",
    "restart": "the process is out of date and has to start again",
    "configure": "change the setting, the right or the topic that it names; retries cannot help",
    "replace": "Kafka and gnomon do not fit each other, or stored bytes are damaged; retries cannot help",
}


def failure(where: str, error: KafkaError) -> GnomonError:
    """Return the error to raise for ``error``.

    Args:
        where: What was asked, or whom, for the message.
        error: What aiokafka raised.

    Returns:
        ``BrokerUnavailableError`` to wait, ``StalledError`` to restart, ``ConfigurationError`` if to try
        again cannot help.
    """
    action = action_of(error)
    message = f"{where}: {error!r}: {_ADVICE[action]}"
    if action == "wait":
        return BrokerUnavailableError(message)
    return StalledError(message) if action == "restart" else ConfigurationError(message)
