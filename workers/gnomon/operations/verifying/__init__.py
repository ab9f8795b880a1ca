"""Verifies that the sealed decisions of a store are those, and all of those, that gnomon has stored."""

from gnomon.operations.verifying.findings import Finding, Kind
from gnomon.operations.verifying.older import OlderRoots, read_file, read_roots_topic, write_file
from gnomon.operations.verifying.published import PublishedDecisions, compare_topic
from gnomon.operations.verifying.scope import Scope
from gnomon.operations.verifying.store import StoreVerifier, roots_of

__all__ = [
    "Finding",
    "Kind",
    "OlderRoots",
    "PublishedDecisions",
    "Scope",
    "StoreVerifier",
    "compare_topic",
    "read_file",
    "read_roots_topic",
    "roots_of",
    "write_file",
]
