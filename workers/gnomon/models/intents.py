"""Computes the wanted aliases from the records of the control topic. Pure, no I/O."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from gnomon import codec
from gnomon.events import ModelIntent
from gnomon.records import SourceRecord

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
PREVIOUS: Final = "previous"
"""The alias of the version to which a rollback returns; no worker loads it."""


def intent_key(model: str, alias: str) -> bytes:
    """Return the key of an alias's records on the control topic: ``<model>/<alias>``."""
    return f"{model}/{alias}".encode()


def is_live(alias: str) -> bool:
    """Return whether versions with this alias predict: ``champion``, ``challenger``, ``challenger-…``."""
    return alias in {CHAMPION, CHALLENGER} or alias.startswith(f"{CHALLENGER}-")


@dataclass(slots=True)
class Intents:
    """The latest intent of each alias of one model.

    Args:
        model: Name of the registered model; intents of other models are ignored.

    Attributes:
        by_alias: The latest intent of each alias, without aliases whose last record is a tombstone.
    """

    model: str
    by_alias: dict[str, ModelIntent] = field(default_factory=dict)
    _applied: dict[int, int] = field(default_factory=dict)

    def apply(self, record: SourceRecord) -> bool:
        """Fold one record of the control topic; return whether an alias changed.

        A record at or below an offset of its partition that was folded before changes nothing, so
        the topic may be read again from its beginning. A record that is no intent is
        ignored, so that a worker can follow the others.
        """
        if record.offset <= self._applied.get(record.partition, -1):
            return False
        self._applied[record.partition] = record.offset
        prefix = intent_key(self.model, "")
        if record.key is None or not record.key.startswith(prefix):
            return False
        alias = record.key[len(prefix) :].decode(errors="replace")
        if record.value is None:
            return self.by_alias.pop(alias, None) is not None
        try:
            intent = codec.decode_model_intent(record.value)
        except codec.UNDECODABLE:
            return False
        before = self.by_alias.get(alias)
        self.by_alias[alias] = intent
        return before != intent


class Aliased(Protocol):
    """A version of the registry with the aliases that point at it."""

    @property
    def version(self) -> str:
        """Return its number in the registry."""
        ...

    @property
    def aliases(self) -> Sequence[str]:
        """Return its live aliases."""
        ...

    @property
    def sha256(self) -> str | None:
        """Return the SHA-256 of the model file, hexadecimal."""
        ...


class Wanted(NamedTuple):
    """A live alias, and the version at which it should point."""

    alias: str
    version: str
    sha256: str | None
    source: str
    """``control`` or ``registry``."""

    @property
    def identity(self) -> str:
        """Return what identifies the model: its SHA-256, or its number if that is unknown."""
        return self.sha256 or f"version {self.version}"


def wanted(intents: Mapping[str, ModelIntent], registered: Iterable[Aliased]) -> list[Wanted]:
    """Return every live alias once: the champion first, then the challengers by name.

    An alias with an intent follows it. An alias without one follows the registry, for
    installations whose versions were registered before there was a control topic.
    """
    found = {
        alias: Wanted(alias, version.version, version.sha256, "registry")
        for version in registered
        for alias in version.aliases
    }
    for alias, intent in intents.items():
        found[alias] = Wanted(alias, intent.version, intent.sha256, "control")
    live = (each for each in found.values() if is_live(each.alias))
    return sorted(live, key=lambda each: (each.alias != CHAMPION, each.alias))
