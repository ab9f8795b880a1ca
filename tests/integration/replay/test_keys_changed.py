"""A replay during which every kind of key is changed: no decision is lost, none is there twice, and all open."""

from pathlib import Path

import pytest
from tests.conftest import Kafka
from tests.integration.replay.recorded import RUNS, Replaying
from tests.support.commands import gnomon

from gnomon.operations.vaults.vault_reader import VaultReader
from gnomon.settings import Settings

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(400)]

CHANGES = (
    ("rotate",),
    ("rotate", "--scope", "default"),
    ("rewrap",),
    ("reencrypt", "default", "--reason", "a test"),
)


def test_keys_changed_during_a_replay_leave_the_ledger_exact_and_every_decision_readable(
    kafka: Kafka, cut: Path, tmp_path: Path
) -> None:
    with Replaying(tmp_path, cut, train_every=200, brokers=kafka.brokers) as running:
        running.until("version -    waiting for decisions")
        (data,) = (tmp_path / "data" / "replays").iterdir()
        settings = {"GNOMON_DATA_DIR": str(data), "GNOMON_BROKERS": kafka.brokers}
        for words in CHANGES:
            done = gnomon("keys", *words, **settings)
            assert done.returncode == 0, done.stderr
        again = running.finished()

    ledger = again.report["ledger"]
    ended = ledger["matched"] + ledger["expired"] + ledger["cancelled"]
    assert (ledger["predictions"], ended, ledger["pending"]) == (RUNS, RUNS, 0)
    decided = {each["decision_id"] for each in again.records("comparisons")}
    reader = VaultReader(
        Settings(
            data_dir=str(again.data),
            store_url=f"sqlite:///{again.data}/store.db",
            brokers=kafka.brokers,
        )
    )
    assert {each.decision_id for each in reader.decisions()} == decided
    assert reader.unreadable.total() == 0
    assert reader.store.count() == len(decided) == RUNS
    reader.close()
    assert gnomon("vault", "verify", "--store-only", **settings).returncode == 0
    assert gnomon("keys", "check", "--all", **settings).returncode == 0
