"""Knows the words for success and failure, as exports of other systems have them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, Self

REST: Final = "*"
"""Stands for every word that is not named."""


class Ended(Enum):
    """What a word says about a run."""

    SUCCEEDED = "success"
    FAILED = "failure"
    CANCELLED = "cancelled"
    RUNNING = "not ended"
    LEFT_OUT = "left out"
    """The row is no run: nothing was begun."""


KNOWN: Final[Mapping[Ended, str]] = {
    Ended.SUCCEEDED: (
        "true t yes y 1 success successful succeeded ok pass passed complete completed done finished"
    ),
    Ended.FAILED: (
        "false f no n 0 failure failed fail unsuccessful error errored exception crashed timeout"
        " timed_out"
    ),
    Ended.CANCELLED: "cancelled canceled",
    Ended.RUNNING: "running pending queued in_progress",
    Ended.LEFT_OUT: "skipped",
}
"""Words that are known everywhere, in lower case."""

_WHOLE: Final = re.compile(r"(-?[0-9]+)\.0+")


@dataclass(frozen=True, slots=True)
class Words:
    """A vocabulary.

    Attributes:
        by_word: What each word says.
        rest: What every other word says; ``None`` if it is refused.
    """

    by_word: Mapping[str, Ended]
    rest: Ended | None = None

    @classmethod
    def known(cls, more: Mapping[Ended, str] | None = None) -> Self:
        """Return the words that are known everywhere, and over them those of one system."""
        by_word: dict[str, Ended] = {}
        for words in (KNOWN, more or {}):
            by_word |= {word: ended for ended, text in words.items() for word in text.split()}
        return cls(by_word)

    def replaced(self, succeeded: Iterable[str], failed: Iterable[str]) -> Self:
        """Return the vocabulary in which only the named words mean success, and failure.

        Args:
            succeeded: Words for success, instead of those there are; none to keep these.
            failed: Words for failure, likewise. ``*`` in one of both stands for every other word.
        """
        by_word, rest = dict(self.by_word), self.rest
        for ended, given in ((Ended.SUCCEEDED, succeeded), (Ended.FAILED, failed)):
            named = [plain(word) for word in given]
            if named:
                by_word = {w: said for w, said in by_word.items() if said is not ended}
            rest = ended if REST in named else rest
        for ended, given in ((Ended.SUCCEEDED, succeeded), (Ended.FAILED, failed)):
            by_word |= {plain(word): ended for word in given if word != REST}
        return type(self)(by_word, rest)

    def of(self, text: str) -> Ended:
        """Return what ``text`` says.

        Raises:
            ValueError: The word is not known; the message has those that are.
        """
        found = self.by_word.get(plain(text), self.rest)
        if found is None:
            raise ValueError(
                f"expected a word for success ({self._listed(Ended.SUCCEEDED)}) or for failure"
                f" ({self._listed(Ended.FAILED)}), got {text[:80]!r}; name others with"
                " --success-values and --failure-values"
            )
        return found

    def _listed(self, ended: Ended) -> str:
        return ", ".join(word for word, said in self.by_word.items() if said is ended) or "none"


def plain(text: str) -> str:
    """Return a word as vocabularies have it: lower case, ``_`` for spaces and hyphens, 1 for 1.0."""
    word = text.strip().lower()
    whole = _WHOLE.fullmatch(word)
    return whole.group(1) if whole else word.replace("-", "_").replace(" ", "_") or word


TRUTH: Final = Words.known()
"""The words that are known everywhere."""
