"""Proves that one sealed decision is under a Merkle root, to somebody who has neither the store nor a key."""

from collections.abc import Sequence

import msgspec

from gnomon.errors import ConfigurationError
from gnomon.events import SealedDecision, VaultRoot
from gnomon.operations.verifying import OlderRoots
from gnomon.store import DecisionStore
from gnomon.store.roots import StoredList
from gnomon.vault.tamper import RecordList, hour_of, inclusion_proof, is_included, record_hash
from gnomon.vault.tamper.published import root_event


class InclusionProof(msgspec.Struct, frozen=True, kw_only=True):
    """All that is needed to compute the root from the record again.

    Attributes:
        decision: The record as it is stored.
        root: The root under which it is.
        number: Which leaf of the tree its list is.
        position: Number of records of the hour before the list.
        hashes: Hashes of the records of the list, joined.
        ids: Their ids, packed.
        path: Hashes from the leaf to the root (RFC 9162, section 2.1.3).
    """

    decision: SealedDecision
    root: VaultRoot
    number: int
    position: int
    hashes: bytes
    ids: bytes
    path: Sequence[bytes]


def prove(
    store: DecisionStore, decision_id: str, *, kept: OlderRoots | None = None
) -> InclusionProof:
    """Return the proof of a stored decision.

    Args:
        store: Where it is.
        decision_id: Its id.
        kept: Roots that were kept before; the proof is for that of the decision's hour. By default it is
            for the newest root in the store.

    Raises:
        ConfigurationError: There is no such decision, or no list or kept root has it as it is stored.
        StoreUnavailableError: The store does not answer.
    """
    decision = store.get(decision_id)
    if decision is None:
        raise ConfigurationError(f"no decision {decision_id!r} in {store.name}")
    hashed, hour = record_hash(decision), hour_of(decision.ended_at_ms)
    trees: dict[int, list[StoredList]] = {}
    found: RecordList | None = None
    reader = store.root_reader()
    with reader.moment() as connection:
        for stored in reader.lists(connection, hour):
            trees.setdefault(stored.root.partition, []).append(stored)
            listed = stored.listed
            if listed is not None and not listed.removes:
                found = listed if (decision_id, hashed) in listed.pairs() else found
    if found is None:
        raise ConfigurationError(
            f"no list of its hour has decision {decision_id!r} as it is stored: gnomon vault verify"
        )
    return _proof(decision, found, trees[found.partition], kept)


def _proof(
    decision: SealedDecision,
    listed: RecordList,
    tree: Sequence[StoredList],
    kept: OlderRoots | None,
) -> InclusionProof:
    size = len(tree)
    if kept is not None:
        root = kept.roots.get((listed.partition, listed.hour))
        size = 0 if root is None else root.lists
    if not listed.number < size <= len(tree):
        source = "" if kept is None else kept.source
        raise ConfigurationError(
            f"{source} has no root with decision {decision.decision_id!r}: it was stored later, or that"
            " history was rewritten"
        )
    last = tree[size - 1]
    return InclusionProof(
        decision=decision,
        root=root_event(last.root, last.seal),
        number=listed.number,
        position=listed.position,
        hashes=listed.hashes,
        ids=listed.ids,
        path=inclusion_proof([stored.leaf for stored in tree[:size]], listed.number),
    )


def refusal(proof: InclusionProof, kept: OlderRoots | None = None) -> str:
    """Return why ``proof`` proves nothing; an empty text if the record is under the root.

    Args:
        proof: The proof.
        kept: Roots of whom one trusts; the proof's root must be one of them.
    """
    root, decision = proof.root, proof.decision
    listed = RecordList(
        partition=root.partition,
        hour=root.hour,
        number=proof.number,
        position=proof.position,
        hashes=proof.hashes,
        ids=proof.ids,
    )
    try:
        is_listed = not listed.removes and _is_in(decision, listed)
    except ValueError:
        is_listed = False
    if not is_listed:
        return "the list does not have this record"
    try:
        claimed = bytes.fromhex(root.root)
    except ValueError:
        return "its root is no hash"
    if not is_included(
        listed.leaf(), proof.number, size=root.lists, root=claimed, proof=proof.path
    ):
        return "the list is not under this root"
    if kept is None:
        return ""
    known = kept.roots.get((root.partition, root.hour))
    if known is None or (known.lists, known.root) != (root.lists, claimed):
        return f"{kept.source} has another root of this hour"
    return ""


def _is_in(decision: SealedDecision, listed: RecordList) -> bool:
    return (decision.decision_id, record_hash(decision)) in listed.pairs()
