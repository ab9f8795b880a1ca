"""Merkle trees over the sealed decisions, in the same database: written with the rows, read to verify them."""

from gnomon.store.roots.addition import Addition
from gnomon.store.roots.commands import CommandRoots
from gnomon.store.roots.reading import IDS_AT_ONCE, RootReader, StoredHead, StoredList
from gnomon.store.roots.writing import COMMANDS, RootLog, drop_lists, listed_partitions

__all__ = [
    "COMMANDS",
    "IDS_AT_ONCE",
    "Addition",
    "CommandRoots",
    "RootLog",
    "RootReader",
    "StoredHead",
    "StoredList",
    "drop_lists",
    "listed_partitions",
]
