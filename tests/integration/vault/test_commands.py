"""Commands that store, replace or delete decisions: afterwards nothing is found, and what others change still is."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from tests.support.vaults import Vault, read, some

from gnomon import codec
from gnomon.cli.main import main
from gnomon.operations.exporter.verification import read_verification
from gnomon.operations.keys.reencrypting import reencrypt
from gnomon.operations.keys.vault_keys import vault_keys
from gnomon.store import DecisionStore, open_ring
from gnomon.store.opening import roots_of_commands
from gnomon.vault import open_decision, seal_decision
from gnomon.vault.tamper import HOUR_MS

FIRST = 488_888
"""The hour of the first decisions, in hours since 1970."""
VERIFY = ("vault", "verify", "--store-only")
Said = pytest.CaptureFixture[str]
Run = Callable[..., int]


@pytest.fixture
def used(vault: Vault) -> Vault:
    """Two partitions and three hours: 20 and 10 decisions, 20, 20."""
    vault.take(read(some(0, 20)))
    vault.take(read(some(100, 20, hour=1), at=20))
    vault.take(read(some(200, 20, hour=2), at=40))
    vault.take(read(some(300, 10), partition=1))
    return vault


@pytest.fixture
def run(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``gnomon …`` on the vault, in this process."""
    for name, value in vault.settings.as_environ().items():
        if name.startswith("GNOMON_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("GNOMON_BROKERS", "127.0.0.1:1")
    return lambda *words: main(list(words))


@pytest.fixture
def store(vault: Vault) -> Iterator[DecisionStore]:
    with closing(DecisionStore(vault.settings.store_url)) as store:
        yield store


def delete(store: DecisionStore, decision_id: str) -> None:
    with store.database.begin() as connection:
        connection.exec_driver_sql(
            f"DELETE FROM gnomon_decisions WHERE decision_id = '{decision_id}'"  # noqa: S608
        )


def found(run: Run, capsys: Said) -> str:
    """What is found, which must be something."""
    capsys.readouterr()
    assert run(*VERIFY) == 1
    return capsys.readouterr().out


def prune(vault: Vault, store: DecisionStore, hour: int, scope: str | None = None) -> Iterator[int]:
    """Delete what ended before the ``hour``-th of the test, 7 decisions at once."""
    roots = roots_of_commands(open_ring(vault.settings, store), store)
    before_ms = (FIRST + hour) * HOUR_MS
    return store.retention.prune(
        before_ms=before_ms, scope=scope, now_ms=2 * before_ms, roots=roots, at_once=7
    )


def opened(vault: Vault, store: DecisionStore) -> list[object]:
    ring = open_ring(vault.settings, store)
    return [open_decision(ring, row) for row in store.iter_sealed()]


def test_what_is_sealed_anew_is_as_it_should_be(
    used: Vault, run: Run, store: DecisionStore, capsys: Said
) -> None:
    before = opened(used, store)
    for _ in range(2):
        assert run("keys", "rotate", "--scope", "default") == 0
        assert run("keys", "reencrypt", "default") == 0
        assert "sealed 70 decisions" in capsys.readouterr().out
        assert run(*VERIFY) == 0
    assert opened(used, store) == before
    used.take(read(some(400, 5), at=60))
    assert run(*VERIFY) == 0
    delete(store, "d-00007")
    assert found(run, capsys).startswith("missing       d-00007")


def test_sealing_anew_that_was_interrupted_goes_on(
    used: Vault, run: Run, store: DecisionStore, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    """After each page what is done is done; the stage goes on storing."""
    monkeypatch.setattr("gnomon.operations.keys.reencrypting._PAGE", 16)
    assert run("keys", "rotate", "--scope", "default") == 0

    def stop(looked_at: int) -> None:
        used.take(read(some(500, 3), at=60))
        if looked_at >= 32:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), vault_keys(used.settings) as keys:
        reencrypt(keys, "default", progress=stop)
    assert run(*VERIFY) == 0
    capsys.readouterr()
    assert run("keys", "reencrypt", "default") == 0
    assert "sealed 41 decisions" in capsys.readouterr().out  # 70 - 32, and 3 by an older key
    assert run(*VERIFY) == 0


def test_a_row_that_is_stored_again_meanwhile_is_read_again(
    used: Vault, run: Run, monkeypatch: pytest.MonkeyPatch, store: DecisionStore
) -> None:
    from gnomon.operations.keys import reencrypting  # noqa: PLC0415

    assert run("keys", "rotate", "--scope", "default") == 0
    resealed, again = reencrypting._resealed, iter([True])

    def storing(keys: object, row: object) -> object:
        if next(again, False):
            used.take(read(some(5, 1), at=900))
        return resealed(keys, row)  # type: ignore[arg-type]

    monkeypatch.setattr(reencrypting, "_resealed", storing)
    with vault_keys(used.settings) as keys:
        assert reencrypt(keys, "default", progress=lambda _: None).records == 70
    assert run(*VERIFY) == 0
    assert len(opened(used, store)) == 70


def test_whole_hours_are_dropped_and_keep_their_roots(
    used: Vault, run: Run, store: DecisionStore, tmp_path: Path, capsys: Said
) -> None:
    roots = str(tmp_path / "roots.jsonl")
    assert run(*VERIFY, "--save-root", roots) == 0
    assert sum(prune(used, store, 2)) == 50
    assert run(*VERIFY, "--root", roots) == 0
    with store.database.begin() as connection:
        lists = "SELECT count(*), count(ids) FROM gnomon_roots WHERE records > 0 AND hour < "
        assert tuple(connection.exec_driver_sql(f"{lists}{FIRST + 2}").one()) == (9, 0)
    used.take(read(some(600, 4) + some(220, 4, hour=2), at=60))  # late ones of a dropped hour too
    assert run(*VERIFY, "--root", roots) == 0
    assert store.count() == 28
    delete(store, "d-00205")
    assert found(run, capsys).startswith("missing       d-00205")


def test_a_prune_that_was_interrupted_goes_on(
    used: Vault, run: Run, store: DecisionStore, capsys: Said
) -> None:
    """One step of four of the first hour; a row that somebody deletes before the next is found."""
    steps = prune(used, store, 2)
    assert next(steps) == 7
    steps.close()  # type: ignore[attr-defined]
    assert run(*VERIFY) == 0
    delete(store, "d-00015")
    assert found(run, capsys).startswith("missing       d-00015")
    assert sum(prune(used, store, 2)) == 42
    assert run(*VERIFY) == 0


def test_a_pruned_row_that_comes_back_is_found_and_so_is_its_second_removal(
    used: Vault, run: Run, store: DecisionStore, capsys: Said, tmp_path: Path
) -> None:
    """Put back into the database; brought back by an import; stored again by the stage."""
    export = str(tmp_path / "export")
    assert run("vault", "export", "--to", export, "--until", "2025-10-09T09:00") == 0
    rows = {name: store.get(name) for name in ("d-00002", "d-00003", "d-00004")}
    steps = prune(used, store, 1)
    assert next(steps) == 7
    steps.close()  # type: ignore[attr-defined]
    assert [store.get(name) for name in rows] == [None, None, None]
    assert run(*VERIFY) == 0

    store.upsert([row for row in rows.values() if row is not None][:1])
    assert found(run, capsys).startswith("added         d-00002")
    delete(store, "d-00002")
    assert run(*VERIFY) == 0

    used.take(read(some(4, 1), at=90))
    assert run(*VERIFY) == 0
    delete(store, "d-00004")
    assert found(run, capsys).startswith("missing       d-00004")
    used.take(read(some(4, 1), at=91))

    assert run("vault", "import", export) == 0
    assert run(*VERIFY) == 0
    delete(store, "d-00003")
    assert found(run, capsys).startswith("missing       d-00003")


def test_rows_that_are_stored_while_others_are_deleted_stay(
    used: Vault, run: Run, store: DecisionStore
) -> None:
    """Each step of the prune and each batch of the stage finds that the other was faster, and goes on."""
    steps = prune(used, store, 2)
    for number in range(4):
        next(steps)
        used.take(read(some(700 + number, 1, hour=2), at=60 + number))
    sum(steps)
    assert run(*VERIFY) == 0
    assert store.count() == 24


def test_a_scope_is_pruned_and_the_other_stays_covered(
    used: Vault, run: Run, store: DecisionStore, capsys: Said
) -> None:
    """Also if somebody has deleted all of the other scope that was in the hour."""
    ring = open_ring(used.settings, store)
    of_acme = [seal_decision(ring, each, scope="tenant:acme") for each in some(900, 2)]
    own = ring.rows_of(row.key_id for row in of_acme)
    roots_of_commands(ring, store).add(
        of_acme, lambda keys, beside: store.upsert(of_acme, keys=[*own, *keys], beside=beside)
    )
    assert sum(prune(used, store, 1, scope="none such")) == 0
    steps = prune(used, store, 1, scope="default")
    assert next(steps) == 7
    assert run(*VERIFY) == 0
    delete(store, "d-00900")
    delete(store, "d-00901")
    assert sum(steps) == 23
    said = [line.split(",")[0].split()[-1] for line in found(run, capsys).splitlines()]
    assert said == ["d-00900", "d-00901"]


def test_the_command_prunes(used: Vault, run: Run, capsys: Said) -> None:
    assert run("vault", "prune", "--older-than", "1d") == 0
    assert "deleted 70 decisions" in capsys.readouterr().out
    assert run(*VERIFY) == 0


def test_an_import_is_covered(
    used: Vault, run: Run, store: DecisionStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Into an empty store, into itself, and again."""
    export = str(tmp_path / "export")
    assert run("vault", "export", "--to", export) == 0
    assert run("vault", "import", export) == 0
    assert run(*VERIFY) == 0
    assert opened(used, store)[:1] == some(0, 1)
    monkeypatch.setenv("GNOMON_STORE_URL", f"sqlite:///{tmp_path}/other/store.db")
    for _ in range(2):
        assert run("vault", "import", export) == 0
        assert run(*VERIFY) == 0
    with closing(DecisionStore(os.environ["GNOMON_STORE_URL"])) as other:
        assert other.count() == 70
        with Vault(os.environ["GNOMON_STORE_URL"], tmp_path) as there:
            there.take(read(some(800, 5)))
            assert len(opened(there, other)) == 75
        assert run(*VERIFY) == 0
        delete(other, "d-00003")
        assert run(*VERIFY) == 1


def test_an_import_with_another_key_covers_nothing(
    used: Vault,
    run: Run,
    store: DecisionStore,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Said,
) -> None:
    """Its seals would make the trees unusable; the store is one of a gnomon without roots."""
    with store.database.begin() as connection:
        for table in ("roots", "root_heads", "keys", "scope_keys"):
            only = " WHERE scope = 'gnomon.roots'" if "keys" in table else ""
            connection.exec_driver_sql(f"DELETE FROM gnomon_{table}{only}")  # noqa: S608
    export = f"{used.settings.data_dir}/export"
    assert run("vault", "export", "--to", export) == 0
    with monkeypatch.context() as patch:
        patch.setenv("GNOMON_KEY_FILE", f"{used.settings.data_dir}/other.key")
        assert run("keys", "init") == 0
        assert run("vault", "import", export) == 2
        assert "does not open this store" in capsys.readouterr().err
        assert run("vault", "prune", "--older-than", "1d") == 2
    assert run("vault", "import", export) == 0
    assert run(*VERIFY) == 0


def test_imported_fernet_tokens_are_covered(used: Vault, run: Run, tmp_path: Path) -> None:
    key = Fernet.generate_key()
    keys, tokens = tmp_path / "fernet.key", tmp_path / "tokens"
    keys.write_bytes(key)
    keys.chmod(0o600)
    tokens.write_bytes(b"\n".join(Fernet(key).encrypt(codec.encode(each)) for each in some(900, 6)))
    for _ in range(2):
        assert run("vault", "import", "--fernet", str(keys), str(tokens)) == 0
        assert run(*VERIFY) == 0


def test_commands_at_once(used: Vault, run: Run, store: DecisionStore, tmp_path: Path) -> None:
    """A prune, an import of other decisions and sealing anew: of each step, one is first."""
    export = str(tmp_path / "export")
    assert run("vault", "export", "--to", export, "--since", "2025-10-09T10:00") == 0
    assert run("keys", "rotate", "--scope", "default") == 0
    failed: list[object] = []

    def work(*words: str) -> None:
        if status := run(*words):
            failed.append((words, status))

    threads = [
        threading.Thread(target=partial(work, "keys", "reencrypt", "default")),
        threading.Thread(target=partial(work, "vault", "import", export)),
        threading.Thread(target=lambda: sum(prune(used, store, 2))),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert run(*VERIFY) == 0


def test_the_keys_of_the_roots_are_rewrapped_and_never_destroyed(
    used: Vault, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    """They are wrapped in the store itself, also where other scopes' keys are in another database."""
    monkeypatch.setenv("GNOMON_SCOPE_KEYS_URL", f"sqlite:///{tmp_path}/scopes.db")
    path = Path(used.settings.key_file)
    assert run("keys", "rotate") == 0
    assert run("keys", "rewrap") == 0
    path.write_text(path.read_text().splitlines()[0] + "\n")
    assert run("keys", "check", "--all") == 0
    assert run(*VERIFY) == 0
    for words in (("shred", "--yes"), ("reencrypt",)):
        assert run("keys", words[0], "gnomon.roots", *words[1:]) == 2
        assert "seal the Merkle roots of every scope" in capsys.readouterr().err
    assert run(*VERIFY) == 0


def test_the_outcome_is_kept_for_the_exporter(
    used: Vault, run: Run, store: DecisionStore, capsys: Said
) -> None:
    data_dir = used.settings.data_dir
    assert run(*VERIFY, "--since", "2025-10-09T09") == 0
    assert read_verification(data_dir) is None, "only a part was verified"
    assert run(*VERIFY) == 0
    passed = read_verification(data_dir)
    assert passed is not None
    assert passed.passed
    delete(store, "d-00007")
    assert run(*VERIFY, "--since", "2025-10-09T09") == 0
    assert read_verification(data_dir) == passed
    assert run(*VERIFY, "--partition", "0") == 1
    failed = read_verification(data_dir)
    assert failed is not None
    assert not failed.passed
    assert failed.at_ms >= passed.at_ms
    place = Path(data_dir) / "vault"
    assert [each.name for each in place.iterdir()] == ["verification.json"]
    (place / "verification.json").unlink()
    place.rmdir()
    place.write_text("no folder")
    capsys.readouterr()
    assert run(*VERIFY) == 1
    assert "gnomon exporter will not know the outcome" in capsys.readouterr().err
