"""Whether so much comes in that records should wait for one another.

A transaction costs the broker milliseconds however few records it has. Where few come, each is
taken at once; where many come, taking them at once would only make all of them wait for the broker.
"""

BUSY_PER_S = 250.0
LOOK_EVERY_S = 0.5


class Load:
    """Records a second of one consumer."""

    def __init__(self) -> None:
        self._busy = False
        self._since_s, self._records = 0.0, 0

    def busy(self, now_s: float, records: int) -> bool:
        """Count ``records`` that came in at ``now_s`` (monotonic); whether there are many."""
        self._records += records
        passed_s = now_s - self._since_s
        if passed_s >= LOOK_EVERY_S:
            self._busy = self._records >= BUSY_PER_S * passed_s
            self._since_s, self._records = now_s, 0
        return self._busy
