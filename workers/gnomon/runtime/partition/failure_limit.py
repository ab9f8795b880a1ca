"""Tells a broken stage from bad records: who raises on every record must not go on."""

from gnomon.errors import StageBrokenError

MAX_CONSECUTIVE_FAILURES = 32
"""So many records in a row on which a stage raises are its own fault. One producer's bad records
stand among those of others, and what cannot be decoded does not make a stage raise; a stage that
is broken raises on all, and should not make dead letters of a day's work before anyone looks."""


class ConsecutiveFailureLimit:
    """Counts the records of one partition in a row on which its stage raised."""

    def __init__(self, stage: str) -> None:
        self._stage, self._in_a_row = stage, 0

    def worked(self) -> None:
        """The stage has folded a record."""
        self._in_a_row = 0

    def raised(self, detail: str) -> None:
        """The stage has raised on a record alone, as ``detail`` says.

        Raises:
            StageBrokenError: It has on every one of the last ``MAX_CONSECUTIVE_FAILURES``.
        """
        self._in_a_row += 1
        if self._in_a_row >= MAX_CONSECUTIVE_FAILURES:
            raise StageBrokenError(
                f"stage {self._stage!r} raises on every record, on the last {self._in_a_row}"
                f" in a row: {detail}"
            )
