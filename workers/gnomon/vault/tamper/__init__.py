"""Tamper evidence: Merkle trees over sealed records, and the sealed statements of their roots. Pure.

``docs/tamper-evidence.md`` has the design and what it finds.
"""

from gnomon.vault.tamper.growing import HourTree, PartitionTrees, TreesAltered, empty_trees
from gnomon.vault.tamper.lists import HOUR_MS, RecordList, hash_of_any, hour_of, record_hash
from gnomon.vault.tamper.statements import SCOPE, Head, HourRoot, StatementSeal
from gnomon.vault.tamper.tree import MerkleTree, inclusion_proof, is_included

__all__ = [
    "HOUR_MS",
    "SCOPE",
    "Head",
    "HourRoot",
    "HourTree",
    "MerkleTree",
    "PartitionTrees",
    "RecordList",
    "StatementSeal",
    "TreesAltered",
    "empty_trees",
    "hash_of_any",
    "hour_of",
    "inclusion_proof",
    "is_included",
    "record_hash",
]
