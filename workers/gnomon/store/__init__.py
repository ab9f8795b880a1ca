"""The SQL store of sealed decisions."""

from gnomon.store.decisions import DecisionStore, Summary

__all__ = ["DecisionStore", "Summary"]
