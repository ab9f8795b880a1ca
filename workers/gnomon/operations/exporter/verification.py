"""The record that a verification of the vault leaves, from which ``gnomon_vault_verification_failed`` is set."""

from pathlib import Path

import msgspec

from gnomon.operations.kept_records import read_record, write_record


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of the last verification; more fields may be beside these.

    Attributes:
        at_ms: When it ended, epoch milliseconds.
        passed: Whether everything was as it was stored.
    """

    at_ms: int
    passed: bool


def verification_path(data_dir: str) -> Path:
    """Return where the record is kept."""
    return Path(data_dir) / "vault" / "verification.json"


def write_verification(data_dir: str, outcome: Verification) -> None:
    """Replace the record at once.

    Raises:
        ConfigurationError: It cannot be written.
    """
    write_record(verification_path(data_dir), outcome)


def read_verification(data_dir: str) -> Verification | None:
    """Return the last outcome; ``None`` if there was no verification.

    Raises:
        ConfigurationError: The file is no such record.
    """
    return read_record(verification_path(data_dir), Verification, what="a verification")
