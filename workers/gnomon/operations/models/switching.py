"""Moves aliases of the model: check the version, write the intent, then apply it to the registry.

The intents on the control topic define the aliases. After a crash between the two last steps, the
registry is out of date; workers still follow the intents, and ``sync`` corrects the registry.
"""

from collections.abc import Callable, Mapping
from typing import Final, Literal

import msgspec

from gnomon.errors import ConfigurationError, ModelRefusedError
from gnomon.events import ModelIntent
from gnomon.models.intents import CHAMPION, PREVIOUS
from gnomon.models.registry import Registry
from gnomon.operations.models.intent_log import IntentLog

Action = Literal["register", "promote", "rollback"]
_Target = tuple[str, str | None]
"""Version and SHA-256."""

_NO_PREVIOUS: Final = "has no previous champion to roll back to"


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """An alias that points at another version than before; ``intent_written``: on the control topic."""

    alias: str
    version: str
    before: str | None
    intent_written: bool


class ModelSwitch:
    """Promotes, rolls back and registers versions of one model. All calls block.

    Args:
        registry: The registry of the versions.
        log: The log to which intents are written; ``None`` moves the registry's aliases alone.
        author: Name that is stored in each intent.
        now_ms: The clock, epoch milliseconds.
    """

    def __init__(
        self, registry: Registry, log: IntentLog | None, *, author: str, now_ms: Callable[[], int]
    ) -> None:
        self._registry, self._log = registry, log
        self._author, self._now_ms = author, now_ms

    def promote(self, version: str, *, alias: str = CHAMPION, action: Action = "promote") -> Moved:
        """Point ``alias`` at ``version``; for ``champion``, also point ``previous`` at the old champion.

        If the alias already points there, nothing changes, so a repeat after a crash does no harm.

        Raises:
            ModelRefusedError: There is no such version, or it may not be used; no alias was moved.
            BrokerUnavailableError: The intent cannot be written; nothing was moved.
            RegistryUnavailableError: The registry does not answer; a repeat is safe.
        """
        sha256 = self._registry.load(version).sha256
        current = self._current()
        before = current.get(alias)
        targets: dict[str, _Target | None] = {alias: (version, sha256)}
        moves = before is None or before[0] != version
        if alias == CHAMPION and before is not None and moves:
            targets[PREVIOUS] = before
        self._move(targets, action)
        return Moved(
            alias=alias,
            version=version,
            before=None if before is None else before[0],
            intent_written=self._log is not None,
        )

    def rollback(self) -> Moved:
        """Make the previous champion champion again.

        Raises:
            ConfigurationError: There is no previous champion, for example after a rollback.
            ModelRefusedError: The previous version may not be used; nothing was moved.
            BrokerUnavailableError: The intent cannot be written; nothing was moved.
            RegistryUnavailableError: The registry does not answer; a repeat is safe.
        """
        current = self._current()
        previous, champion = current.get(PREVIOUS), current.get(CHAMPION)
        if previous is None:
            raise ConfigurationError(f"{self._registry.name} {_NO_PREVIOUS}")
        version, sha256 = previous
        sha256 = self._registry.load(version, sha256=sha256).sha256
        self._move({CHAMPION: (version, sha256), PREVIOUS: None}, "rollback")
        return Moved(
            alias=CHAMPION,
            version=version,
            before=None if champion is None else champion[0],
            intent_written=self._log is not None,
        )

    def sync(self) -> list[Moved]:
        """Set the registry's aliases to what the intents state; return those that were different.

        Raises:
            ConfigurationError: There is no log of intents, or no control topic.
            BrokerUnavailableError: No broker answers.
            RegistryUnavailableError: The registry does not answer; a repeat is safe.
        """
        if self._log is None:
            raise ConfigurationError("the control topic is needed: its intents are the truth")
        aliases, intents = self._registry.aliases(), self._log.read()
        if intents and PREVIOUS not in intents:
            self._registry.remove_alias(PREVIOUS)
        moved = []
        for alias, intent in intents.items():
            version = self._registry.version_of(intent.version, intent.sha256)
            if aliases.get(alias) != version:
                self._registry.point(alias, version)
                moved.append(
                    Moved(
                        alias=alias, version=version, before=aliases.get(alias), intent_written=True
                    )
                )
        return moved

    def _current(self) -> Mapping[str, _Target]:
        """Return the version of each alias: that of its intent, else that in the registry."""
        found: dict[str, _Target] = {
            alias: (version, None) for alias, version in self._registry.aliases().items()
        }
        if self._log is None:
            return found
        intents = self._log.read()
        if intents and PREVIOUS not in intents:
            found.pop(PREVIOUS, None)  # after a rollback; the registry may not be updated yet
        return found | {alias: (i.version, i.sha256) for alias, i in intents.items()}

    def _move(self, wanted: Mapping[str, _Target | None], action: Action) -> None:
        # Nothing is published that the registry then refuses.
        targets = {alias: self._located(alias, target) for alias, target in wanted.items()}
        if self._log is not None:
            at_ms = self._now_ms()
            self._log.write(
                {
                    alias: None
                    if target is None
                    else ModelIntent(
                        model=self._registry.name,
                        alias=alias,
                        version=target[0],
                        sha256=target[1],
                        at_ms=at_ms,
                        author=self._author,
                        action=action,
                    )
                    for alias, target in targets.items()
                }
            )
        for alias, target in targets.items():
            if target is None:
                self._registry.remove_alias(alias)
            else:
                self._registry.point(alias, target[0])

    def _located(self, alias: str, target: _Target | None) -> _Target | None:
        """Return the target with its number in the registry of now.

        Raises:
            ModelRefusedError: The registry has no such version, unless it is that of ``previous``: then
                there is none to roll back to.
        """
        if target is None:
            return None
        try:
            return self._registry.version_of(*target), target[1]
        except ModelRefusedError:
            if alias == PREVIOUS:
                return None
            raise
