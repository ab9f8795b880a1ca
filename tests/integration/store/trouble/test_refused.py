"""What the database refuses: one row, which becomes a dead letter; or gnomon's statements, which is told."""

import json
from pathlib import Path

import psycopg
import pytest
from tests.support.kafka.topic_in_memory import Record

from gnomon.errors import ConfigurationError, EventError, StoreRefusedError
from gnomon.events import SealedDecision
from gnomon.runtime.metrics import Metrics
from gnomon.settings import Settings
from gnomon.stages.vault import VaultStage
from gnomon.store import DecisionStore
from gnomon.vault import create_key_file

TOO_LARGE = 2**63
"""Of both databases' integers."""


def row(decision_id: str, started_at_ms: int) -> SealedDecision:
    return SealedDecision(
        decision_id=decision_id,
        key_id="k",
        sealed=b"s",
        status="matched",
        started_at_ms=started_at_ms,
        ended_at_ms=2,
    )


@pytest.mark.parametrize("at_ms", [TOO_LARGE, 10**30])
def test_a_value_that_can_never_be_stored_is_the_fault_of_its_row(
    store: DecisionStore, at_ms: int
) -> None:
    with pytest.raises(EventError, match="store_refused"):
        store.upsert([row("fits", 1), row("does not", at_ms)])

    assert store.count() == 0


def test_a_text_that_postgresql_cannot_have_is_the_fault_of_its_row(postgres_url: str) -> None:
    """NUL, and a key that is larger than a page of its index."""
    store = DecisionStore(postgres_url)
    store.create()
    for bad in ("with a \0", "".join(map(chr, range(0x4E00, 0x9E00)))):
        with pytest.raises(EventError, match="store_refused"):
            store.upsert([row(bad, 1)])
    store.close()


def comparison(number: int, started_at_ms: int) -> Record:
    value = {
        "decision_id": f"d{number}",
        "started_at_ms": started_at_ms,
        "outcome": {"status": "matched", "at_ms": 5},
    }
    return Record(
        topic="comparisons",
        partition=0,
        offset=number,
        timestamp=1,
        key=None,
        value=json.dumps(value).encode(),
    )


async def test_only_the_row_that_is_refused_is_a_dead_letter(url: str, tmp_path: Path) -> None:
    create_key_file(tmp_path / "kek.key")
    settings = Settings(data_dir=str(tmp_path), store_url=url)
    stage = VaultStage(settings, metrics=Metrics())
    await stage.start()
    try:
        outputs = await stage.apply(
            None, [comparison(0, 1), comparison(1, TOO_LARGE), comparison(2, 1)]
        )
    finally:
        await stage.stop()

    ((record, reason),) = ((dead.record, dead.reason) for dead in outputs.dead)
    assert (record.offset, reason) == (1, "store_refused")
    assert [key for key, _ in outputs.by_topic["decisions"]] == [b"d0", b"d2"]
    store = DecisionStore(url)
    assert store.count() == 2
    store.close()


def test_a_missing_right_or_table_is_told_and_passes(postgres_url: str) -> None:
    store = DecisionStore(postgres_url)
    store.create()
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute("ALTER TABLE gnomon_decisions RENAME TO elsewhere")

        with pytest.raises(StoreRefusedError, match="gnomon_decisions") as refused:
            store.upsert([row("one", 1)])
        assert not isinstance(refused.value, ConfigurationError)
        assert "Restore the table or the right" in str(refused.value)

        admin.execute("ALTER TABLE elsewhere RENAME TO gnomon_decisions")
    store.upsert([row("one", 1)])
    assert store.count() == 1
    store.close()
