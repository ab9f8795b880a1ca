"""Every error of Kafka, aiokafka and librdkafka has an action, by their own lists."""

import inspect
import os
import struct
import zipfile
from collections.abc import Iterator

import aiokafka.errors
import pytest
from aiokafka.errors import KafkaError
from confluent_kafka import KafkaError as LibrdkafkaError

from gnomon.broker.jars import locked_jars, maven_repository
from gnomon.connection.refusals import unavailable
from gnomon.errors import (
    BrokerUnavailableError,
    ConfigurationError,
    GnomonError,
    NotLetInError,
    StalledError,
)
from gnomon.kafka_errors import AIOKAFKA, LIBRDKAFKA, PROTOCOL, action_of


def aiokafka_classes() -> list[type[KafkaError]]:
    classes = (found for found in vars(aiokafka.errors).values() if inspect.isclass(found))
    return [found for found in classes if issubclass(found, KafkaError)]


def code_of(error: type[KafkaError]) -> int | None:
    code = getattr(error, "errno", None)
    return code if isinstance(code, int) else None


def librdkafka_codes() -> dict[str, int]:
    values = {name: getattr(LibrdkafkaError, name) for name in dir(LibrdkafkaError)}
    return {name: n for name, n in values.items() if isinstance(n, int) and name[1:2].isupper()}


def texts_of_class(raw: bytes) -> Iterator[str]:
    """The strings of a compiled Java class, in their order (JVM specification, 4.4)."""
    (count,) = struct.unpack(">H", raw[8:10])
    at, index = 10, 1
    while index < count:
        tag = raw[at]
        if tag == 1:
            (size,) = struct.unpack(">H", raw[at + 1 : at + 3])
            yield raw[at + 3 : at + 3 + size].decode(errors="replace")
            at += size
        at += {1: 3, 5: 9, 6: 9, 7: 3, 8: 3, 15: 4, 16: 3, 19: 3, 20: 3}.get(tag, 5)
        index += 2 if tag in {5, 6} else 1


def kafkas_names() -> list[str]:
    """The constants of Kafka's enum of errors, the first of which has the code -1."""
    (jar,) = (jar for jar in locked_jars() if jar.name.startswith("kafka-clients-"))
    path = maven_repository(os.environ) / jar.path
    if not path.exists():
        pytest.skip("Kafka's jars are not here: gnomon broker --download-only")
    with zipfile.ZipFile(path) as archive:
        raw = archive.read("org/apache/kafka/common/protocol/Errors.class")
    return [
        text
        for text in texts_of_class(raw)
        if text.isupper()
        and text.replace("_", "").isalpha()
        and len(text) > 1
        and not text.endswith("_TO_ERROR")
    ]


def test_each_error_of_kafkas_own_list_has_an_action() -> None:
    by_code = dict(enumerate(kafkas_names(), start=-1))
    assert by_code.pop(0) == "NONE"
    assert by_code == {code: name for code, (name, _) in PROTOCOL.items()}


def test_each_error_of_librdkafka_has_an_action() -> None:
    codes = librdkafka_codes()
    own = {name for name, code in codes.items() if code < -1}
    assert own == set(LIBRDKAFKA)
    assert {code for code in codes.values() if code >= -1} - {0} <= set(PROTOCOL)


def test_each_error_of_aiokafka_has_an_action() -> None:
    coded = {code for error in aiokafka_classes() if (code := code_of(error)) is not None}
    assert coded - {0} <= set(PROTOCOL)
    own = {error.__name__ for error in aiokafka_classes() if code_of(error) is None}
    assert own == set(AIOKAFKA)


@pytest.mark.parametrize("error", aiokafka_classes(), ids=lambda error: error.__name__)
def test_what_aiokafka_marks_as_retriable_stops_no_stage_for_good(error: type[KafkaError]) -> None:
    """An operator would have to start it again after each change of a leader."""
    if error.retriable:
        assert action_of(error()) in {"wait", "restart"}


@pytest.mark.parametrize(
    ("error", "expected", "advice"),
    [
        (aiokafka.errors.KafkaConnectionError(), BrokerUnavailableError, "brokers are back"),
        (aiokafka.errors.LeaderNotAvailableError(), BrokerUnavailableError, "brokers are back"),
        (aiokafka.errors.TopicAuthorizationFailedError("t"), NotLetInError, "rights"),
        (aiokafka.errors.SaslAuthenticationFailed(), NotLetInError, "login"),
        (aiokafka.errors.PolicyViolationError(), ConfigurationError, "change the setting"),
        (aiokafka.errors.AuthenticationFailedError(), ConfigurationError, "setting"),
        (aiokafka.errors.UnsupportedVersionError(), ConfigurationError, "do not fit"),
        (aiokafka.errors.CorruptRecordException(), ConfigurationError, "damaged"),
        (aiokafka.errors.UnsupportedCodecError(), ConfigurationError, "do not fit"),
        (aiokafka.errors.InvalidProducerIdMapping(), StalledError, "start again"),
        (aiokafka.errors.OffsetOutOfRangeError(), StalledError, "start again"),
    ],
)
def test_the_error_of_gnomon_says_what_to_do(
    error: KafkaError, expected: type[GnomonError], advice: str
) -> None:
    found = unavailable("task-events[3]", error)
    assert type(found) is expected
    assert str(found).startswith("task-events[3]: ")
    assert advice in str(found)


def test_an_error_that_a_newer_release_adds_counts_as_its_base_class() -> None:
    class NewerError(aiokafka.errors.AuthenticationFailedError):  # type: ignore[misc]  # untyped
        pass

    class UnheardOfError(KafkaError):  # type: ignore[misc]  # untyped
        errno = 9_999

    assert action_of(NewerError()) == "configure"
    assert action_of(UnheardOfError()) == "wait"
