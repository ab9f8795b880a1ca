"""What PostgreSQL's own processes spend on the rows of Merkle trees, beside transactions without any."""

import secrets
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from gnomon.events import SealedDecision
from gnomon.settings import Settings
from gnomon.store import DecisionStore, open_ring
from gnomon.store.roots import RootLog
from gnomon.vault import create_key_file
from gnomon.vault.tamper import StatementSeal

PARTITIONS: Final = 2
RECORDS: Final = 1_800
"""Partitions of a transaction, and records of each, as the stage has them when it catches up."""
TRANSACTIONS: Final = 800
"""Of each kind, which take some seconds."""


def us_of_roots(url: str, folder: Path, server_cpu_s: Callable[[], float]) -> float:
    """Return the server's processor time for the trees, in microseconds a decision.

    Args:
        url: Of an empty database.
        folder: Empty; gets the key.
        server_cpu_s: Returns the processor time of the server so far.
    """
    create_key_file(folder / "kek.key")
    with closing(DecisionStore(url)) as store:
        store.create()
        ring = open_ring(Settings(data_dir=str(folder), store_url=url), store)
        log = store.root_log(StatementSeal.of(ring.provider, store.keys))
        rows = [
            SealedDecision(
                decision_id=secrets.token_hex(16),
                key_id="k" * 32,
                sealed=b"sealed",
                status="matched",
                started_at_ms=1,
                ended_at_ms=2,
            )
            for _ in range(RECORDS)
        ]
        spent_s = {
            trees: _spent_s(store, log, rows, server_cpu_s, trees) for trees in (True, False)
        }
    return (spent_s[True] - spent_s[False]) / (TRANSACTIONS * PARTITIONS * RECORDS) * 1e6


def _spent_s(
    store: DecisionStore,
    log: RootLog,
    rows: list[SealedDecision],
    server_cpu_s: Callable[[], float],
    trees: bool,
) -> float:
    """Commit transactions, with trees or without; return the server's processor time."""
    began_s = server_cpu_s()
    for _ in range(TRANSACTIONS):
        additions = (
            [log.addition(partition, rows) for partition in range(PARTITIONS)] if trees else []
        )
        with store.database.begin() as connection:
            connection.exec_driver_sql("SELECT 1")
            log.write(connection, *additions)
        for addition in additions:
            log.stored(addition)
    return server_cpu_s() - began_s
