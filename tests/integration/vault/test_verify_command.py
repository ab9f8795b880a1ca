"""Tests of the command ``gnomon vault verify``: its words, its status, the topic and files of roots."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.conftest import Kafka
from tests.support.vaults import Vault, read, some

from gnomon import codec
from gnomon.cli.main import main
from gnomon.connection import aiokafka_clients
from gnomon.records import Keyed
from gnomon.store import DecisionStore
from gnomon.vault import KeyRing, load_key, open_decision, seal_decision

ROOTS = "vault-roots"


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[tuple[Vault, list[Keyed]]]:
    """A vault with decisions of two hours, and what it has published of its roots."""
    with Vault(f"sqlite:///{tmp_path}/store.db", tmp_path) as vault:
        published = vault.take(read(some(0, 20))).by_topic[ROOTS]
        published += vault.take(read(some(20, 20, hour=1), at=20)).by_topic[ROOTS]
        yield vault, published


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GNOMON_DATA_DIR", str(tmp_path))


def change(vault: Vault, *statements: str) -> None:
    store = DecisionStore(vault.settings.store_url)
    with store._database.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    store.close()


def test_it_says_what_it_compared(
    stored: tuple[Vault, list[Keyed]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["vault", "verify", "--store-only"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "40 records in 2 hours, compared with the store's roots, in" in said.err
    assert "no differences" in said.err
    assert (
        main(["vault", "verify", "--store-only", "--since", "2025-10-09T09", "--partition", "0"])
        == 0
    )
    assert "20 records in 1 hours" in capsys.readouterr().err


def test_a_finding_is_a_line_and_status_1(
    stored: tuple[Vault, list[Keyed]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    change(stored[0], "DELETE FROM gnomon_decisions WHERE decision_id = 'd-00003'")
    kept = tmp_path / "roots.jsonl"
    assert main(["vault", "verify", "--store-only", "--save-root", str(kept)]) == 1
    said = capsys.readouterr()
    assert said.out == "missing       d-00003, 2025-10-09T08Z, partition 0: the row is gone\n"
    assert ": 1 difference\n" in said.err
    assert not kept.exists()
    assert main(["vault", "verify", "--store-only", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {
        "kind": "missing",
        "detail": "the row is gone",
        "partition": 0,
        "hour": 488_888,
        "decision_id": "d-00003",
    }


def test_roots_kept_in_a_file_are_compared(
    stored: tuple[Vault, list[Keyed]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    kept = tmp_path / "roots.jsonl"
    assert main(["vault", "verify", "--store-only", "--save-root", str(kept)]) == 0
    stored[0].take(read(some(40, 5, hour=1), at=40))
    assert main(["vault", "verify", "--store-only", "--root", str(kept)]) == 0
    change(stored[0], *(f"DELETE FROM gnomon_{t}" for t in ("decisions", "roots", "root_heads")))  # noqa: S608
    assert main(["vault", "verify", "--store-only"]) == 0
    capsys.readouterr()
    assert main(["vault", "verify", "--store-only", "--root", str(kept)]) == 1
    said = capsys.readouterr().out
    assert "hour removed  2025-10-09T09Z, partition 0: " in said
    assert f"{kept} has a root of 20 records, the store of 0" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--root", "nowhere.jsonl"], "cannot read nowhere.jsonl: No such file"),
        (
            ["--root", __file__],
            "is no file of roots: make one with gnomon vault verify --save-root",
        ),
        (["--save-root", "/proc/none/roots"], "cannot write /proc/none/roots"),
        (["--save-root", "kept", "--partition", "0"], "give it without --partition"),
    ],
)
def test_files_that_are_none_are_refused_in_one_line(
    stored: tuple[Vault, list[Keyed]],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    assert main(["vault", "verify", "--store-only", *arguments]) == 2
    err = capsys.readouterr().err.splitlines()
    assert said in err[-1]
    assert all(line.startswith("gnomon: ") for line in err)


@pytest.mark.parametrize("word", ["yesterday", "2026-11-02T14:30"])
def test_a_time_that_is_no_hour_is_refused(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["vault", "verify", "--since", word])
    assert refused.value.code == 2
    assert word in capsys.readouterr().err


@pytest.mark.kafka
async def test_the_topic_shows_a_store_that_was_emptied(
    stored: tuple[Vault, list[Keyed]],
    kafka: Kafka,
    topics: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Also a root in the topic that was not sealed by the vault."""
    vault, published = stored
    monkeypatch.setenv("GNOMON_BROKERS", kafka.brokers)
    monkeypatch.setenv("GNOMON_TOPIC_PREFIX", topics)
    producer = aiokafka_clients.producer(kafka.connection)
    await producer.start()
    try:
        for key, value in published:
            await producer.send_and_wait(topics + ROOTS, value, key=key, partition=0)
        assert await asyncio.to_thread(main, ["vault", "verify"]) == 0
        assert f"and topic {topics}vault-roots" in capsys.readouterr().err
        forged = (published[0][1] or b"").replace(b'"records":20', b'"records":19')
        await producer.send_and_wait(topics + ROOTS, forged, key=published[0][0], partition=0)
    finally:
        await producer.stop()
    assert await asyncio.to_thread(main, ["vault", "verify"]) == 1
    assert f"root replaced 2025-10-09T08Z, partition 0: in topic {topics}vault-roots: not as" in (
        capsys.readouterr().out
    )
    change(vault, *(f"DELETE FROM gnomon_{t}" for t in ("decisions", "roots", "root_heads")))  # noqa: S608
    assert await asyncio.to_thread(main, ["vault", "verify"]) == 1
    found = capsys.readouterr().out
    assert "hour removed  2025-10-09T09Z, partition 0: " in found
    assert "head replaced partition 0: the head is gone" in found


@pytest.mark.kafka
async def test_what_was_put_into_the_topic_of_decisions_is_named(
    stored: tuple[Vault, list[Keyed]],
    kafka: Kafka,
    topics: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A changed record, one sealed with the right key outside the stage, and one that is no decision."""
    vault = stored[0]
    name = topics + "decisions"
    monkeypatch.setenv("GNOMON_BROKERS", kafka.brokers)
    monkeypatch.setenv("GNOMON_TOPIC_PREFIX", topics)
    outputs = await asyncio.to_thread(vault.take, read(some(40, 600, hour=2), at=40))
    right = outputs.by_topic["decisions"]
    with closing(DecisionStore(vault.settings.store_url)) as store:
        ring = KeyRing(load_key(vault.settings), store.keys)
        added = seal_decision(ring, some(900, 1, hour=2)[0])
        changed = seal_decision(ring, some(50, 1, hour=2)[0])
    verify = ["vault", "verify", "--decisions"]
    producer = aiokafka_clients.producer(kafka.connection)
    await producer.start()
    try:
        for key, value in right:
            await producer.send(name, value, key=key, partition=0)
        await producer.flush()
        assert await asyncio.to_thread(main, verify) == 0
        assert f"600 records of topic {name} with the store" in capsys.readouterr().err
        for value in (codec.encode(changed), codec.encode(added), b"no decision"):
            await producer.send_and_wait(name, value, key=b"k", partition=0)
    finally:
        await producer.stop()
    assert await asyncio.to_thread(main, verify) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"topic altered partition 0: topic {name}, offset 602: no decision",
        "topic altered d-00050, 2025-10-09T10Z, partition 0:"
        f" topic {name}, offset 600: no list of the hour has it with this content",
        "topic altered d-00900, 2025-10-09T10Z, partition 0:"
        f" topic {name}, offset 601: no list of the hour has it at all",
    ]
    change(vault, "DELETE FROM gnomon_decisions WHERE decision_id = 'd-00051'")
    assert await asyncio.to_thread(main, [*verify, "--since", "2025-10-09T08"]) == 1
    assert "missing       d-00051, 2025-10-09T10Z, partition 0" in capsys.readouterr().out


def test_a_backup_opens_and_verifies_in_another_folder(
    stored: tuple[Vault, list[Keyed]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The drill of a restore: only the store's backup and the key's file come along."""
    elsewhere = tmp_path / "another machine"
    elsewhere.mkdir()
    store = DecisionStore(stored[0].settings.store_url)
    with store._database.begin() as connection:
        connection.exec_driver_sql("SELECT 1")
        connection.connection.driver_connection.execute(  # type: ignore[union-attr]
            f"VACUUM INTO '{elsewhere / 'store.db'}'"
        )
    store.close()
    shutil.copy(tmp_path / "kek.key", elsewhere / "kek.key")
    monkeypatch.setenv("GNOMON_DATA_DIR", str(elsewhere))
    assert main(["vault", "verify", "--store-only"]) == 0
    assert main(["keys", "check"]) == 0
    with Vault(f"sqlite:///{elsewhere}/store.db", elsewhere) as restored:
        opened = DecisionStore(restored.settings.store_url)
        ring = KeyRing(load_key(restored.settings), opened.keys)
        rows = list(opened.iter_sealed())
        assert [open_decision(ring, row) for row in rows] == some(0, 20) + some(20, 20, hour=1)
        restored.take(read(some(40, 5, hour=1), at=40))
        opened.close()
    assert main(["vault", "verify", "--store-only"]) == 0
