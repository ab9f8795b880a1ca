"""Sealed decisions are copied between stores, in parts of bounded size: SQL databases and folders of Parquet."""

from gnomon.store.chosen import Chosen
from gnomon.store.moving.copying import Copied, copy
from gnomon.store.moving.ports import Part, SealedStore
from gnomon.store.moving.sql import SqlStore

__all__ = ["Chosen", "Copied", "Part", "SealedStore", "SqlStore", "copy"]
