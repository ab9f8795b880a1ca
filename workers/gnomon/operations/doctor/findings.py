"""What a check finds, and what a check is."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from gnomon.settings import Settings

Level = Literal["ok", "note", "problem"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding.

    Attributes:
        check: Name of the check, which ``examine`` sets.
        level: ``ok``; ``note`` for what works and could be better; ``problem`` for what does not work.
        found: What was found, in one sentence.
        remedy: What to do about it; empty if nothing.
    """

    level: Level
    found: str
    remedy: str = ""
    check: str = ""


class Check(Protocol):
    """Looks at one thing. It may block, changes nothing, and may find nothing to say."""

    def __call__(self, settings: Settings, /) -> Iterable[Finding]:
        """Look, with these settings.

        Raises:
            GnomonError: The thing cannot be used; the message says why and what to do.
        """
        ...


def ok(found: str) -> Finding:
    """Return a finding about which nothing is to be done."""
    return Finding(level="ok", found=found)


def note(found: str, remedy: str) -> Finding:
    """Return a finding that may be left as it is."""
    return Finding(level="note", found=found, remedy=remedy)


def problem(found: str, remedy: str) -> Finding:
    """Return a finding with which something does not work."""
    return Finding(level="problem", found=found, remedy=remedy)
