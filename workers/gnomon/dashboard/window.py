"""The period that a page shows: its length and its end, as they stand in the URL."""

from dataclasses import dataclass
from typing import Final, Self

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS

LENGTHS_MS: Final = {"1h": HOUR_MS, "24h": DAY_MS, "7d": 7 * DAY_MS, "30d": 30 * DAY_MS}
BUCKETS_MS: Final = {"1h": MINUTE_MS, "24h": 15 * MINUTE_MS, "7d": 2 * HOUR_MS, "30d": 6 * HOUR_MS}
"""Width of the buckets in which a page shows a period: at most 120 of them."""
WORDS: Final = {
    "1h": "the last hour",
    "24h": "the last 24 hours",
    "7d": "the last 7 days",
    "30d": "the last 30 days",
}
DEFAULT: Final = "24h"
_LAST_MS: Final = 4_102_444_800_000  # 2100-01-01


@dataclass(frozen=True, slots=True)
class Window:
    """A period: ``since_ms <= time < until_ms``, epoch milliseconds.

    Attributes:
        length: A key of ``LENGTHS_MS``.
        end_ms: Its end, if it does not end now.
    """

    length: str = DEFAULT
    end_ms: int | None = None

    @classmethod
    def of(cls, length: str | None, end: str | None, *, default: str = DEFAULT) -> Self:
        """Return the period that a URL names; what it does not name rightly is the default."""
        known = length if length in LENGTHS_MS else default
        if end is None or not (
            end.isascii() and end.isdecimal() and len(end) <= len(f"{_LAST_MS}")
        ):
            return cls(known)
        return cls(known, min(int(end), _LAST_MS))

    @property
    def bucket_ms(self) -> int:
        """Width of a bucket, in milliseconds."""
        return BUCKETS_MS[self.length]

    def until_ms(self, now_ms: int) -> int:
        """Return the end of the period."""
        return now_ms if self.end_ms is None else self.end_ms

    def since_ms(self, now_ms: int) -> int:
        """Return the begin of the period."""
        return max(0, self.until_ms(now_ms) - LENGTHS_MS[self.length])

    def words(self) -> str:
        """Return the length for people."""
        return WORDS[self.length] if self.end_ms is None else f"these {self.length}"
