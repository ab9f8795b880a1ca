"""Tells a broken stage from bad records: a stage that raises on every record must stop."""

from gnomon.errors import StageBrokenError

MAX_CONSECUTIVE_FAILURES = 32
"""When a stage raises on this many records in a row, the stage is at fault. One producer's bad records
are mixed with good ones of others, and undecodable records do not make a stage raise. A broken stage
raises on all records, and should not turn a day's work into dead letters before anyone looks."""


class ConsecutiveFailureLimit:
    """Counts the records of one partition in a row on which its stage raised."""

    def __init__(self, stage: str) -> None:
        self._stage, self._failures = stage, 0

    def succeeded(self) -> None:
        """Start counting again: the stage has processed a record."""
        self._failures = 0

    def failed(self, detail: str) -> None:
        """Count a record on which the stage raised.

        Args:
            detail: The error, for the message.

        Raises:
            StageBrokenError: The stage has raised on ``MAX_CONSECUTIVE_FAILURES`` in a row.
        """
        self._failures += 1
        if self._failures >= MAX_CONSECUTIVE_FAILURES:
            raise StageBrokenError(
                f"stage {self._stage!r} raises on every record, on the last {self._failures}"
                f" in a row: {detail}"
            )
