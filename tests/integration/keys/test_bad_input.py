"""What was changed behind gnomon's back is refused with its reason, and everything else still opens."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import delete, update
from tests.integration.keys.conftest import EACH, ON_BOTH, SCOPES, Vault, all_open

from gnomon.errors import KeyUnavailableError, UnreadableError
from gnomon.operations.keys.vault_keys import VaultKeys, vault_keys
from gnomon.store.schema import DECISIONS, KEYS, SCOPE_KEYS
from gnomon.vault import KeyRing, check_key, open_decision

ACME, BIRCH = "tenant:acme", "tenant:birch"
Command = Callable[..., int]


def refused(vault: Vault, reason: str) -> None:
    assert vault.readable() == all_open(*SCOPES) | {ACME: [reason] * EACH}


def changed(keys: VaultKeys, statement: object) -> None:
    with keys.tables[0]._database.begin() as connection:
        connection.execute(statement)  # type: ignore[call-overload]


def test_a_decision_under_another_scope(vault: Vault) -> None:
    with vault_keys(vault.settings) as keys:
        row = next(row for row in keys.store.iter_sealed() if row.scope == ACME)
        open_decision(keys.ring, row)
        for scope in (BIRCH, "default", "", "tenant:acme "):
            moved = msgspec.structs.replace(row, scope=scope)
            with pytest.raises(UnreadableError) as error:
                open_decision(keys.ring, moved)
            assert error.value.reason in {"unknown_key", "tampered"}


@ON_BOTH
@pytest.mark.parametrize(
    ("spoilt", "reason"),
    [
        (lambda sealed: b"", "bad_header"),
        (lambda sealed: sealed[:33], "bad_header"),
        (lambda sealed: sealed[:49], "bad_header"),
        (lambda sealed: sealed[:-1], "tampered"),
        (lambda sealed: sealed[:2] + b"\x02" + sealed[3:], "bad_header"),
        (lambda sealed: sealed[:3] + b"\x02" + sealed[4:], "bad_header"),
        (lambda sealed: sealed[:5] + b"\x01" + sealed[6:], "bad_header"),
    ],
    ids=["empty", "half a header", "no whole tag", "truncated", "version", "algorithm", "flag"],
)
def test_a_truncated_row_and_one_of_an_unknown_version(
    vault: Vault, spoilt: Callable[[bytes], bytes], reason: str
) -> None:
    with vault_keys(vault.settings) as keys:
        for row in list(keys.store.iter_sealed()):
            if row.scope == ACME:
                by_id = update(DECISIONS).where(DECISIONS.c.decision_id == row.decision_id)
                with keys.store.database.begin() as connection:
                    connection.execute(by_id.values(sealed=spoilt(row.sealed)))
    refused(vault, reason)


@ON_BOTH
def test_a_data_key_whose_row_was_deleted(vault: Vault) -> None:
    with vault_keys(vault.settings) as keys, keys.store.database.begin() as connection:
        connection.execute(delete(KEYS).where(KEYS.c.scope == ACME))
    refused(vault, "unknown_key")


@ON_BOTH
def test_the_check_of_all_keys_names_those_whose_rows_were_deleted(
    vault: Vault, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """With how many decisions none can open any more; a lost key that sealed none is no problem."""
    assert command("check", "--all") == 0
    with vault_keys(vault.settings) as keys, keys.store.database.begin() as connection:
        (lost,) = {row.key_id for row in keys.store.iter_sealed() if row.scope == ACME}
        connection.execute(delete(KEYS).where(KEYS.c.kid == lost))
        connection.execute(delete(DECISIONS).where(DECISIONS.c.scope == BIRCH))
        connection.execute(delete(KEYS).where(KEYS.c.scope == BIRCH))
    capsys.readouterr()
    assert command("check", "--all") == 1
    told = capsys.readouterr()
    (line,) = told.err.splitlines()
    assert f"data key {lost} of {ACME}" in line
    assert f"{EACH} decisions" in line
    assert "every key" not in told.out


def test_a_scope_key_whose_row_was_deleted(vault: Vault, command: Command) -> None:
    with vault_keys(vault.settings) as keys:
        changed(keys, delete(SCOPE_KEYS).where(SCOPE_KEYS.c.scope == ACME))
    refused(vault, "unknown_key")
    assert command("check", "--all") == 1


def test_a_scope_key_in_the_row_of_another(vault: Vault, command: Command) -> None:
    """Whoever can write to the database cannot give one tenant's key to another."""
    with vault_keys(vault.settings) as keys:
        birch = keys.tables[0].newest(BIRCH)
        assert birch is not None
        values = {"wrapped": birch.wrapped, "commitment": birch.commitment}
        changed(keys, update(SCOPE_KEYS).where(SCOPE_KEYS.c.scope == ACME).values(values))
    refused(vault, "tampered")
    assert command("check", "--all") == 1


@pytest.mark.parametrize("column", ["wrapped", "commitment"])
def test_a_changed_scope_key(vault: Vault, column: str) -> None:
    with vault_keys(vault.settings) as keys:
        acme = keys.tables[0].newest(ACME)
        assert acme is not None
        value = getattr(acme, column)
        value = bytes([value[0] ^ 1]) + value[1:]
        changed(keys, update(SCOPE_KEYS).where(SCOPE_KEYS.c.scope == ACME).values({column: value}))
        with pytest.raises(KeyUnavailableError, match=ACME):
            keys.ring.seal(b"x", record_id="d", schema="s", scope=ACME)
    refused(vault, "tampered")


def test_another_database_of_scope_keys(vault: Vault) -> None:
    other = vault.with_store(
        vault.settings.store_url, scope_keys_url=f"sqlite:///{vault.folder}/other.db"
    )
    with (
        vault_keys(other) as keys,
        pytest.raises(KeyUnavailableError, match="does not open this store"),
    ):
        check_key(keys.ring, keys.store.canary)


def test_a_key_file_readable_by_others_stops_every_command(
    vault: Vault, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(vault.settings.key_file).chmod(0o644)
    for words in (["check"], ["rewrap"], ["list"], ["shred", ACME, "--yes"]):
        assert command(*words) == 2
        assert "chmod 600" in capsys.readouterr().err
    Path(vault.settings.key_file).chmod(0o600)
    assert vault.readable() == all_open(*SCOPES)


def test_a_clock_set_back_makes_another_key_and_loses_none(vault: Vault) -> None:
    now_ms = [1_760_000_000_000]
    with vault_keys(vault.settings) as keys:
        ring = KeyRing(
            keys.provider, keys.store.keys, scopes=keys.tables[0], clock_ms=lambda: now_ms[0]
        )
        sealed = []
        for step_ms in (0, -86_400_000, 5, -8):
            now_ms[0] += step_ms
            sealed.append(ring.seal(b"x", record_id="d", schema="s", scope=ACME))
        assert len({kid for kid, _ in sealed}) == 3
        for _, record in sealed:
            assert keys.ring.open(record, record_id="d", schema="s", scope=ACME) == b"x"
