"""The versions that should predict and are not loaded, and when each is tried again.

A version *waits* if its failure is about something else: storage that is away, a registry that was
restored. It is tried at every look. A version is *refused* if the failure is about its files. It is
tried again too, after growing pauses, because files can be put right in their place.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from gnomon.events import AbsentModel
from gnomon.models.intents import Wanted

PASSING: Final = frozenset({"files_missing", "unknown_version", "unavailable", "failed"})
"""Reasons that are not about the files of a version."""
FIRST_PAUSE_S: Final = 60.0
LONGEST_PAUSE_S: Final = 3600.0
"""A refused version costs a download for each try."""


@dataclass(frozen=True, slots=True)
class _Note:
    wanted: Wanted
    state: Literal["refused", "waiting"]
    message: str
    pause_s: float
    next_s: float


class NotLoaded:
    """Notes by the identity of what is wanted: a number alone may come to mean another model."""

    def __init__(self) -> None:
        self._notes: dict[str, _Note] = {}

    def note(self, each: Wanted, *, reason: str, message: str, now_s: float) -> bool:
        """Note why a version is not loaded; return whether this was not known yet.

        Args:
            each: The version.
            reason: Constant word.
            message: For people.
            now_s: Monotonic seconds.
        """
        before = self._notes.get(each.identity)
        if reason in PASSING:
            note = _Note(each, "waiting", message, 0.0, now_s)
        else:
            pause_s = FIRST_PAUSE_S
            if before is not None and before.pause_s:
                pause_s = min(2 * before.pause_s, LONGEST_PAUSE_S)
            note = _Note(each, "refused", message, pause_s, now_s + pause_s)
        self._notes[each.identity] = note
        return before is None or (before.state, before.message) != (note.state, message)

    def loaded(self, each: Wanted) -> None:
        """Drop the note of a version that is loaded now."""
        self._notes.pop(each.identity, None)

    def keep_only(self, wanted: Sequence[Wanted]) -> None:
        """Drop what is no longer wanted, so that it is tried at once if it is wanted again."""
        now = {each.identity for each in wanted}
        self._notes = {known: note for known, note in self._notes.items() if known in now}

    def due(self, each: Wanted, now_s: float) -> bool:
        """Return whether a version may be tried."""
        note = self._notes.get(each.identity)
        return note is None or now_s >= note.next_s

    def waits(self, each: Wanted) -> bool:
        """Return whether a version is waited for."""
        note = self._notes.get(each.identity)
        return note is not None and note.state == "waiting"

    def reasons(self, state: Literal["refused", "waiting"]) -> Mapping[str, str]:
        """Return why versions are refused or waited for, by number."""
        return {
            note.wanted.version: note.message for note in self._in_order() if note.state == state
        }

    def absent(self, model: str) -> list[AbsentModel]:
        """Return all of them as records of model-switches."""
        return [
            AbsentModel(
                model=model,
                version=note.wanted.version,
                sha256=note.wanted.sha256,
                state=note.state,
                reason=note.message,
            )
            for note in sorted(self._in_order(), key=lambda note: note.state)
        ]

    def sentences(self) -> list[str]:
        """Return a sentence for each."""
        words = {"waiting": "waited for", "refused": "refused"}
        found = sorted(self._in_order(), key=lambda note: note.state, reverse=True)
        return [f"version {n.wanted.version} is {words[n.state]}: {n.message}" for n in found]

    def _in_order(self) -> Iterator[_Note]:
        return iter(self._notes.values())
