"""A vault to be changed behind its back, and what ``StoreVerifier`` finds in it."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection
from tests.support.vaults import Vault

from gnomon.operations.verifying import (
    Finding,
    OlderRoots,
    Scope,
    StoreVerifier,
)
from gnomon.store import DecisionStore
from gnomon.vault import load_key
from gnomon.vault.tamper import StatementSeal

FIRST = 488_888
"""The hour of the first decisions: 2025-10-09T08Z, in hours since 1970."""


def verify(
    vault: Vault, store: DecisionStore, *, older: Sequence[OlderRoots] = (), **scope: Any
) -> list[Finding]:
    seal = StatementSeal.of(load_key(vault.settings), store.keys)
    verifier = StoreVerifier(store, seal, older=older, scope=Scope(**scope))
    return list(verifier.findings())


def named(findings: Sequence[Finding]) -> set[tuple[str, str | None]]:
    return {(found.kind, found.decision_id) for found in findings}


def change(store: DecisionStore, *statements: str, **values: object) -> None:
    with store._database.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(_parameters(connection, statement, values), values)


def _parameters(connection: Connection, statement: str, values: dict[str, object]) -> str:
    if connection.dialect.name == "postgresql":
        for name in values:
            statement = statement.replace(f":{name}", f"%({name})s")
    return statement
