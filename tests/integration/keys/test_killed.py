"""Every command on keys is killed with SIGKILL before each write, and then run again: it is done, and nothing is lost."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.integration.keys.conftest import EACH, SCOPES, Vault, all_open

from gnomon.operations.keys.vault_keys import vault_keys
from gnomon.operations.verifying import Scope, StoreVerifier
from gnomon.vault.providers.local import from_file
from gnomon.vault.tamper import StatementSeal

Command = Callable[..., int]
ACME = "tenant:acme"
LONG = os.environ.get("LONG") == "1"
"""With ``LONG=1`` at every step, else at some: a process takes a second to start."""

KILLED = """
import os, signal, sys
import gnomon.vault.files as files
from sqlalchemy import event
from sqlalchemy.engine import Engine

steps = int(sys.argv[1])

def step(*_):
    global steps
    if steps == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    steps -= 1

# Before each statement that writes, and before each commit: after one, the next statement is not reached.
@event.listens_for(Engine, "before_cursor_execute")
def _(connection, cursor, statement, parameters, context, many):
    if statement.lstrip().split(" ", 1)[0].upper() in {"INSERT", "UPDATE", "DELETE", "VACUUM"}:
        step()

@event.listens_for(Engine, "commit")
def _(connection):
    step()

for name in ("write_private", "_sync_folder"):
    def stepping(*given, _was=getattr(files, name)):
        step()
        made = _was(*given)
        step()
        return made
    setattr(files, name, stepping)

from gnomon.cli import main
sys.exit(main(["keys", *sys.argv[2:]]))
"""


def killed_at(vault: Vault, step: int, *words: str) -> bool:
    """Run the command in a process of its own that is killed at this step; whether it was killed."""
    environ = {**os.environ, **vault.settings.as_environ()}
    done = subprocess.run(  # noqa: S603  this test's own code
        [sys.executable, "-c", KILLED, str(step), *words],
        env=environ,
        capture_output=True,
        timeout=60,
        check=False,
    )
    if done.returncode == -signal.SIGKILL:
        return True
    assert done.returncode == 0, done.stderr.decode()
    return False


def opens_or_is(vault: Vault, scope: str, allowed: set[str]) -> None:
    """Every other scope opens; the decisions of this one are all in one of the allowed states."""
    found = vault.readable()
    assert set(found.pop(scope)) <= allowed
    assert found == all_open(*(each for each in SCOPES if each != scope))


def steps(vault: Vault, *words: str, check: Callable[[], object] = lambda: None) -> list[int]:
    """Kill the command at each step in turn, and check; the next run goes on with what is left."""
    reached = []
    for step in range(0, 60, 1 if LONG else 5):
        if not killed_at(vault, step, *words):
            break
        reached.append(step)
        yield_state(vault)
        check()
    else:
        raise AssertionError("it never ended")
    return reached


def yield_state(vault: Vault) -> None:
    """Nothing is unreadable between two runs, and a new process finds all of it."""
    assert vault.readable() == all_open(*SCOPES)


def test_rewrap(vault: Vault, command: Command) -> None:
    assert command("rotate") == 0
    assert command("rotate", "--scope", ACME) == 0
    assert len(steps(vault, "rewrap")) >= 2
    path = Path(vault.settings.key_file)
    path.write_text(path.read_text().splitlines()[0] + "\n")
    yield_state(vault)


def test_rotate_of_the_key_file(vault: Vault) -> None:
    old = from_file(Path(vault.settings.key_file)).ids
    for step in range(4) if LONG else (1, 2):
        assert killed_at(vault, step, "rotate")
        assert set(old) <= set(from_file(Path(vault.settings.key_file)).ids)
        yield_state(vault)
    assert not killed_at(vault, 9, "rotate")
    yield_state(vault)
    assert [each.name for each in Path(vault.settings.key_file).parent.iterdir()] == ["kek.key"]


def test_rotate_of_a_scope(vault: Vault) -> None:
    assert steps(vault, "rotate", "--scope", ACME)
    vault.seal([90], ACME)
    assert vault.readable()[ACME] == ["opens"] * (EACH + 1)


def test_reencrypt(vault: Vault, command: Command) -> None:
    """The roots are exact too, wherever it ends; its first run covers the store."""
    assert command("reencrypt", ACME) == 0
    assert command("rotate", "--scope", ACME) == 0
    with vault_keys(vault.settings) as keys:
        seal = StatementSeal.of(keys.provider, keys.store.keys)

        def verify() -> None:
            assert list(StoreVerifier(keys.store, seal, scope=Scope()).findings()) == []

        verify()
        _reencrypt_killed(vault, verify)


def _reencrypt_killed(vault: Vault, verify: Callable[[], object]) -> None:
    with closing(vault.open()) as store:
        before = {row.decision_id: row.sealed for row in store.iter_sealed()}
    assert len(steps(vault, "reencrypt", ACME, check=verify)) >= 1
    yield_state(vault)
    verify()
    with closing(vault.open()) as store:
        after = {row.decision_id: row.sealed for row in store.iter_sealed()}
    assert sum(before[key] != after[key] for key in before) == EACH


@pytest.mark.parametrize("step", range(20) if LONG else (0, 3, 6, 9))
def test_shred(vault: Vault, step: int, command: Command) -> None:
    """Killed anywhere it is done or can be run again; then all of it is, with one certificate."""
    was_killed = killed_at(vault, step, "shred", ACME, "--reason", "r", "--yes")
    opens_or_is(vault, ACME, {"opens", "shredded"})
    if was_killed:
        assert command("shred", ACME, "--reason", "again", "--yes") == 0
    opens_or_is(vault, ACME, {"shredded"})
    assert command("shred", ACME, "--yes") == 2
    with closing(vault.open()) as store:
        events = [each for each in store.audit.recent(99) if each.action == "shredded"]
        assert [(each.records, each.ended_at_ms is None) for each in events] == [(EACH, False)]
        assert store.count() == 3 * EACH
