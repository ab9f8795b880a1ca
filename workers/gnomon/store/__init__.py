"""The SQL store of sealed decisions."""

from gnomon.store.decision_reads import Summary
from gnomon.store.decisions import DecisionStore
from gnomon.store.opening import open_ring

__all__ = ["DecisionStore", "Summary", "open_ring"]
