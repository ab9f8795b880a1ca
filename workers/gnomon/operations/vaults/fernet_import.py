"""Seals decisions that were kept as Fernet tokens anew in the vault, a file with one token a line."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from gnomon.errors import ConfigurationError, UnreadableError
from gnomon.events import SealedDecision
from gnomon.operations.audit import audited
from gnomon.settings import Settings
from gnomon.store import DecisionStore, open_ring
from gnomon.store.opening import roots_of_commands
from gnomon.store.roots import CommandRoots
from gnomon.vault import KeyRing, check_key, scope_of, seal_decision
from gnomon.vault.fernet import load_fernet, open_token

_AT_ONCE: Final = 500


class Imported:
    """How many decisions were imported, and the lines that could not be, with the reason.

    Attributes:
        decisions: How many were stored.
        refused: Line number and reason of the others.
    """

    def __init__(self) -> None:
        self.decisions = 0
        self.refused: list[tuple[int, str]] = []


def import_fernet(
    settings: Settings, store: DecisionStore, *, keys: Path, tokens: Path, reason: str
) -> Imported:
    """Import every token that opens. A second run stores the same decisions under the same ids.

    Raises:
        KeyUnavailableError: A key is missing, malformed or readable by others.
        ConfigurationError: The file of tokens cannot be read.
        StoreUnavailableError: The store does not answer; run the command again.
    """
    fernet = load_fernet(keys)
    ring = open_ring(settings, store)
    check_key(ring, store.canary)
    roots = roots_of_commands(ring, store)
    done = Imported()
    with audited(
        settings,
        store,
        "imported",
        command="gnomon vault import --fernet",
        reason=reason,
        key_id=ring.provider.id,
    ) as use:
        lines = _lines(tokens)
        while page := list(islice(lines, _AT_ONCE)):
            rows = []
            for number, token in page:
                try:
                    decision = open_token(fernet, token)
                except UnreadableError as error:
                    done.refused.append((number, str(error)))
                    continue
                scope = scope_of(
                    settings.scope_by, tenant=decision.tenant, agent_id=decision.agent_id
                )
                rows.append(seal_decision(ring, decision, scope=scope))
            _store(store, ring, roots, rows)
            done.decisions += len(rows)
            use.records, use.unreadable = done.decisions, len(done.refused)
    return done


def _store(
    store: DecisionStore, ring: KeyRing, roots: CommandRoots, rows: list[SealedDecision]
) -> None:
    own = ring.rows_of(row.key_id for row in rows)
    roots.add(rows, lambda keys, beside: store.upsert(rows, keys=[*own, *keys], beside=beside))


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not empty, with their numbers from 1."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line.strip()
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
