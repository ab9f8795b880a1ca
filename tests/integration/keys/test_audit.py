"""The audit: every command that opens something says so before it does, in the store and on the topic."""

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from tests.conftest import Kafka
from tests.integration.keys.conftest import EACH, Vault, all_open
from tests.support.decisions import a_decision

from gnomon.cli import main
from gnomon.connection import aiokafka_clients
from gnomon.errors import StoreUnavailableError
from gnomon.events import AuditEvent
from gnomon.operations.audit import audited, publish
from gnomon.operations.vaults.vault_reader import VaultReader
from gnomon.store import DecisionStore

Command = Callable[..., int]
Said = pytest.CaptureFixture[str]


def events(vault: Vault) -> list[AuditEvent]:
    with closing(vault.open()) as store:
        return store.audit.recent(100)


def test_who_reads_is_recorded_with_the_reason(
    vault: Vault, command: Command, capsys: Said
) -> None:
    assert main(["vault", "read", "d-00001", "--reason", "ticket 12", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["decision_id"] == "d-00001"
    (event,) = events(vault)
    assert (event.action, event.command, event.reason) == (
        "opened",
        "gnomon vault read",
        "ticket 12",
    )
    assert (event.records, event.unreadable, event.detail) == (1, 0, "d-00001")
    assert event.ended_at_ms is not None
    assert event.ended_at_ms >= event.at_ms


def test_the_policy_asks_for_a_reason(
    vault: Vault, command: Command, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    monkeypatch.setenv("GNOMON_REQUIRE_REASON", "true")
    for words in (["read", "d-00001"], ["read", "d-00001", "--reason", " "]):
        assert main(["vault", *words]) == 2
        said = capsys.readouterr()
        assert "--reason" in said.err
        assert said.out == ""
    assert command("shred", "tenant:acme", "--yes") == 2
    assert events(vault) == []
    assert main(["vault", "read", "d-00001", "--reason", "ticket 12"]) == 0
    assert vault.readable() == all_open("default", "tenant:acme", "tenant:birch")


def test_nothing_is_opened_that_cannot_be_recorded(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = VaultReader(vault.settings, command="gnomon train")
    with reader.store.database.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE gnomon_audit RENAME TO elsewhere")
    opened: list[object] = []
    with closing(reader), pytest.raises(StoreUnavailableError):
        opened.extend(reader.decisions())
    assert opened == []


def test_a_reader_that_stops_early_says_how_many_it_opened(vault: Vault) -> None:
    reader = VaultReader(vault.settings, command="gnomon train")
    found: Any = reader.decisions()
    assert next(found) == a_decision(0)
    assert [event.ended_at_ms for event in events(vault)] == [None]
    found.close()
    (event,) = events(vault)
    assert (event.records, event.ended_at_ms is not None) == (1, True)
    reader.close()


def test_an_event_is_never_completed_twice(vault: Vault) -> None:
    with closing(vault.open()) as store:
        with audited(vault.settings, store, "opened", command="c") as use:
            use.records = 3
        store.audit.end(replace_records(use.event, 99))
        assert [event.records for event in store.audit.recent(9)] == [3]


def replace_records(event: AuditEvent, records: int) -> AuditEvent:
    import msgspec  # noqa: PLC0415

    return msgspec.structs.replace(event, records=records, ended_at_ms=event.at_ms)


@pytest.mark.kafka
async def test_events_reach_the_topic_once_also_those_of_when_kafka_was_away(
    vault: Vault, kafka: Kafka, topics: str
) -> None:
    with closing(vault.open()) as store, audited(vault.settings, store, "opened", command="away"):
        pass
    up = replace(vault.settings, brokers=kafka.brokers, topic_prefix=topics)
    with closing(DecisionStore(up.store_url)) as store:
        with audited(up, store, "opened", command="up") as use:
            use.records = EACH
        assert publish(up, store) == 0
    consumer = aiokafka_clients.consumer(
        kafka.connection, f"{topics}audit", auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        found = [await consumer.getone() for _ in range(2)]
    finally:
        await consumer.stop()
    values = [json.loads(record.value) for record in found]
    assert sorted((value["command"], value["records"]) for value in values) == [
        ("away", 0),
        ("up", EACH),
    ]
    assert {value["event_id"] for value in values} == {event.event_id for event in events(vault)}
