"""What is healthy: one word for each part, and why if it is not."""

from dataclasses import dataclass
from typing import Literal

Word = Literal["ready", "starting", "down", "off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The health of one part.

    Attributes:
        name: Of the part.
        word: ``ready``; ``starting``, for the first time or again; ``down``; ``off`` if it is not to run.
        restarts: How often it was started again.
        detail: What is to be done or is being waited for; empty if nothing.
    """

    name: str
    word: Word
    restarts: int = 0
    detail: str = ""

    @property
    def line(self) -> str:
        """The health in one line."""
        again = f", started again {self.restarts} x" if self.restarts else ""
        return f"{self.name:<11} {self.word}{again}{f': {self.detail}' if self.detail else ''}"
