"""A client's configuration comes from arguments or variables; a bad one does no harm."""

import logging
from typing import Any

import pytest

from gnomon.client import Client
from gnomon.client.config import arguments_from_env
from gnomon.connection import KafkaConnection


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"GNOMON_BROKERS": ""},
        {"GNOMON_BROKERS": "127.0.0.1:9092", "GNOMON_DISABLED": "1"},
        {"GNOMON_BROKERS": "127.0.0.1:9092", "GNOMON_DISABLED": "true"},
    ],
)
def test_without_brokers_or_disabled_a_client_does_nothing(
    environ: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    client = Client.from_env(environ)
    with client.task("x") as task:
        task.set(code_review_iterations=-5, nonsense=1)
    client.finish("nothing")
    client.cancel(client.start("y"))

    assert client.enabled is False
    assert client.stats().accepted == client.stats().dropped == 0
    assert client.flush() == client.close() == 0
    assert not caplog.records


@pytest.mark.parametrize(
    ("brokers", "options"),
    [
        ("nonsense", {}),
        ("127.0.0.1:http", {}),
        ("127.0.0.1:0", {}),
        ("127.0.0.1:65536", {}),
        (":9092", {}),
        (9092, {}),
        ("127.0.0.1:9092", {"max_events": 0}),
        ("127.0.0.1:9092", {"max_events": "many"}),
        ("127.0.0.1:9092", {"max_bytes": 1_000}),
        ("127.0.0.1:9092", {"exit_timeout_s": -1}),
        ("127.0.0.1:9092", {"exit_timeout_s": float("nan")}),
        ("127.0.0.1:9092", {"agent_id": 7}),
        ("127.0.0.1:9092", {"topic": ""}),
        ("127.0.0.1:9092", {"spool_dir": 3}),
        ("127.0.0.1:9092", {"spool_dir": "a\0b"}),
        ("127.0.0.1:9092", {"spool_bytes": 1_000}),
    ],
)
def test_a_bad_argument_makes_a_client_that_does_nothing_and_one_line(
    brokers: Any, options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="gnomon"):
        client = Client(brokers, **options)
        with client.task("x", agent_id="a"):
            pass

    assert client.enabled is False
    assert [record.name for record in caplog.records] == ["gnomon.client"]


@pytest.mark.parametrize("bytes_", ["64M", "-1", "1_000_000", "100"])
def test_a_bad_variable_makes_a_client_that_does_nothing_and_one_line(
    bytes_: str, caplog: pytest.LogCaptureFixture
) -> None:
    environ = {"GNOMON_BROKERS": "127.0.0.1:9092", "GNOMON_SPOOL_BYTES": bytes_}
    with caplog.at_level(logging.DEBUG, logger="gnomon"):
        client = Client.from_env(environ)

    assert client.enabled is False
    assert [record.name for record in caplog.records] == ["gnomon.client"]


def test_variables_set_the_spool() -> None:
    given = arguments_from_env(
        {
            "GNOMON_BROKERS": "one:9092",
            "GNOMON_SPOOL_DIR": "/var/spool/gnomon",
            "GNOMON_SPOOL_BYTES": "1000000",
        }
    )
    plain = arguments_from_env({"GNOMON_BROKERS": "one:9092"})

    assert (given.spool_dir, given.spool_bytes) == ("/var/spool/gnomon", 1_000_000)
    assert (plain.spool_dir, plain.spool_bytes) == ("", 67_108_864)


def test_variables_set_the_topic_and_the_agent(
    monkeypatch: pytest.MonkeyPatch, memory: Any
) -> None:
    asked: list[tuple[list[str], str]] = []

    def kafka(connection: KafkaConnection, topic: str) -> Any:
        asked.append((connection.addresses, topic))
        return lambda: memory

    monkeypatch.setattr("gnomon.client.capture.intake.kafka", kafka)
    environ = {
        "GNOMON_BROKERS": "one:9092, [::1]:9093",
        "GNOMON_TOPIC_PREFIX": "test-",
        "GNOMON_AGENT_ID": "env-agent",
    }
    with Client.from_env(environ) as client:
        with client.task("x"):
            pass
        assert client.flush(5) == 0

    assert asked == [(["one:9092", "[::1]:9093"], "test-task-events")]
    assert {event.agent_id for event in memory.events} == {"env-agent"}


def test_a_task_without_an_agent_is_invalid(memory: Any) -> None:
    with Client("one:9092") as client:
        with client.task("x"):
            pass
        assert client.stats().dropped_invalid == 2
