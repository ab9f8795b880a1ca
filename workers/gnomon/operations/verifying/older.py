"""Roots that were published or kept earlier, with which a later store must be consistent."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from gnomon import codec
from gnomon.connection import KafkaConnection
from gnomon.errors import ConfigurationError
from gnomon.events import VaultHead, VaultRoot
from gnomon.operations.verifying.findings import Finding
from gnomon.runtime.kafka.reading import read_topic
from gnomon.vault.tamper import Head, HourRoot, StatementSeal


@dataclass(slots=True)
class OlderRoots:
    """Roots and heads of one source.

    Attributes:
        source: Where they are from, for messages.
        roots: The roots, by partition and hour.
        heads: The heads, by partition.
        refused: What is wrong with those of them whose seal is no seal.
    """

    source: str
    roots: dict[tuple[int, int], HourRoot] = field(default_factory=dict)
    heads: dict[int, Head] = field(default_factory=dict)
    refused: list[Finding] = field(default_factory=list)

    def add(self, event: VaultRoot | VaultHead, seal: StatementSeal | None) -> None:
        """Add one record; a later one of the same tree takes the place of an earlier.

        Args:
            event: The record.
            seal: Checks its seal; ``None`` if the source is trusted.
        """
        try:
            statement = _statement(event)
        except ValueError:
            detail = f"in {self.source}: {event.root!r} is no hash"  # type: ignore[union-attr]
            self.refused.append(Finding(kind="root replaced", detail=detail))
            return
        refused = "" if seal is None else seal.refusal(statement, event.seal)
        if refused:
            self.refused.append(
                Finding(
                    kind="root replaced" if isinstance(statement, HourRoot) else "head replaced",
                    detail=f"in {self.source}: not as gnomon sealed it ({refused})",
                    partition=statement.partition,
                    hour=statement.hour if isinstance(statement, HourRoot) else None,
                )
            )
        elif isinstance(statement, HourRoot):
            self.roots[statement.partition, statement.hour] = statement
        else:
            self.heads[statement.partition] = statement


def _statement(event: VaultRoot | VaultHead) -> HourRoot | Head:
    if isinstance(event, VaultRoot):
        return HourRoot(
            partition=event.partition,
            hour=event.hour,
            lists=event.lists,
            records=event.records,
            root=bytes.fromhex(event.root),
            before=event.before,
        )
    return Head(
        partition=event.partition,
        lists=event.lists,
        records=event.records,
        hours=event.hours,
        newest=event.newest,
        from_offset=event.from_offset,
        next_offset=event.next_offset,
    )


async def read_roots_topic(kafka: KafkaConnection, topic: str, seal: StatementSeal) -> OlderRoots:
    """Return the latest root of each tree in the topic, and the heads.

    Raises:
        BrokerUnavailableError: No broker answers.
        ConfigurationError: There is no such topic.
    """
    found = OlderRoots(f"topic {topic}")
    async for record in read_topic(kafka=kafka, topic=topic, follow=False):
        try:
            event = codec.decode_vault_root(record.value or b"")
        except codec.UNDECODABLE:
            where = f"partition {record.partition}, offset {record.offset}"
            detail = f"{where} of topic {topic} is no root"
            found.refused.append(Finding(kind="root replaced", detail=detail))
        else:
            found.add(event, seal)
    return found


def read_file(path: Path) -> OlderRoots:
    """Return the roots in a file that ``write_file`` wrote. Who keeps the file vouches for it.

    Raises:
        ConfigurationError: It cannot be read, or is no such file.
    """
    found = OlderRoots(str(path))
    try:
        with path.open("rb") as file:
            for line in file:
                found.add(codec.decode_vault_root(line), None)
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    except codec.UNDECODABLE as error:
        raise ConfigurationError(
            f"{path} is no file of roots: make one with gnomon vault verify --save-root FILE"
        ) from error
    return found


def write_file(path: Path, events: Iterable[VaultRoot | VaultHead]) -> None:
    """Write roots, a line each, to a file that takes the place of an older one when it is complete.

    Raises:
        ConfigurationError: It cannot be written.
    """
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        with unfinished.open("wb") as file:
            file.writelines(codec.encode(event) + b"\n" for event in events)
        unfinished.replace(path)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error
