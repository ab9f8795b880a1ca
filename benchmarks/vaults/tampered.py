"""Verifies a store of many decisions, as it was stored and after each of several changes in the database."""

import resource
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.vaults.rows import BEGIN_MS, comparison
from tests.support.vaults import Vault

from gnomon.operations.verifying import (
    Finding,
    OlderRoots,
    Scope,
    StoreVerifier,
    read_file,
    roots_of,
    write_file,
)
from gnomon.operations.verifying.findings import utc_hour
from gnomon.store import DecisionStore
from gnomon.vault import KeyRing, load_key, seal_decision
from gnomon.vault.tamper import StatementSeal

FIRST = BEGIN_MS // 3_600_000
Change = tuple[str, Sequence[tuple[str, Sequence[object]]], str]


def measure(vault: Vault, folder: Path, *, count: int, every_ms: int) -> bool:
    """Print what a verification takes and finds; return whether every change was found."""
    store = DecisionStore(vault.settings.store_url)
    seal = StatementSeal.of(load_key(vault.settings), store.keys)
    _verify(store, seal, "nothing")
    write_file(folder / "roots.jsonl", roots_of(store))
    older = [read_file(folder / "roots.jsonl")]
    done = [_after(store, seal, change) for change in _changes(vault, store, count, every_ms)]
    _verify(store, seal, "all of them, beside the roots of the beginning", older)
    store.close()
    return all(done)


def _changes(vault: Vault, store: DecisionStore, count: int, every_ms: int) -> Sequence[Change]:
    """Return each change: its name, its statements, and a text that a finding must contain."""
    at = [comparison(count * part // 9).decision_id for part in range(1, 9)]
    by_id = "decision_id = ?"
    one, other = store.get(at[3]), store.get(at[4])
    added = seal_decision(
        KeyRing(load_key(vault.settings), store.keys), comparison(10**9, every_ms=0)
    )
    newest = FIRST + (count - 1) * every_ms // 3_600_000
    if one is None or other is None:
        raise SystemExit("the store lacks a decision")
    swap = "UPDATE gnomon_decisions SET sealed = ? WHERE decision_id = ?"
    hours = "ended_at_ms / 3600000 = ?"
    remove = [
        f"DELETE FROM gnomon_decisions WHERE {hours}",
        "DELETE FROM gnomon_roots WHERE hour = ?",
    ]
    return (
        (
            "one byte changed",
            [(f"UPDATE gnomon_decisions SET sealed = substr(sealed, 1, 99) || x'00' || substr(sealed, 101) WHERE {by_id}", [at[1]])],
            f"changed       {at[1]}",
        ),
        ("a row deleted", [(f"DELETE FROM gnomon_decisions WHERE {by_id}", [at[2]])], f"missing       {at[2]}"),
        (
            "a row added that was sealed with the right key",
            [("INSERT INTO gnomon_decisions (decision_id, status, started_at_ms, ended_at_ms, key_id, sealed)"
              " VALUES (?, ?, ?, ?, ?, ?)",
              [added.decision_id, added.status, added.started_at_ms, added.ended_at_ms, added.key_id, added.sealed])],
            f"added         {added.decision_id}",
        ),
        (
            "two rows' contents swapped",
            [(swap, [other.sealed, one.decision_id]), (swap, [one.sealed, other.decision_id])],
            f"swapped       {one.decision_id}",
        ),
        ("a root replaced", [("UPDATE gnomon_roots SET root = zeroblob(32) WHERE hour = ? AND number = 3", [FIRST + 2])], "root replaced"),
        ("a whole hour removed", [(each, [FIRST + 1]) for each in remove], f"hour removed  {utc_hour(FIRST + 1)}"),
        ("the newest hour removed", [(each, [newest]) for each in remove], f"hour removed  {utc_hour(newest)}"),
    )  # fmt: skip


def _after(store: DecisionStore, seal: StatementSeal, change: Change) -> bool:
    what, statements, wanted = change
    with sqlite3.connect(store.name.removeprefix("sqlite:///")) as connection:
        for statement, values in statements:
            connection.execute(statement, values)
    connection.close()
    found = _verify(store, seal, what)
    lines = [each.line() for each in found]
    done = any(line.startswith(wanted) for line in lines)
    print(
        f"    {'found' if done else 'NOT FOUND'}: {next((x for x in lines if x.startswith(wanted)), wanted)}"
    )
    return done


def _verify(
    store: DecisionStore, seal: StatementSeal, what: str, older: Sequence[OlderRoots] = ()
) -> list[Finding]:
    began_s, cpu_s = time.perf_counter(), time.process_time()
    verifier = StoreVerifier(store, seal, older=older, scope=Scope())
    found = list(verifier.findings())
    print(
        f"  {what:<64}{len(found):>7} found  {verifier.records:,} records in"
        f" {time.perf_counter() - began_s:.1f} s, CPU {time.process_time() - cpu_s:.1f} s,"
        f" {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB",
        flush=True,
    )
    return found
