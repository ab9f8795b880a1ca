"""Snapshots on a file system: the bytes of a state and the offsets up to which it is folded.

A snapshot only shortens recovery. If it is lost or refused, the state is rebuilt from the log. Files
are written under a temporary name and renamed, so a reader never sees a partial one.
"""

import contextlib
import logging
import os
import secrets
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

logger = logging.getLogger(__name__)

MAGIC = b"GNSN\x01"
KEEP = 2
"""The newest may be unusable: corrupt, or ahead of the committed offsets."""
UNFINISHED_S = 3600.0
"""A temporary file older than this belongs to no running process."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A serialised state. ``offsets`` has the next offset to process, by full topic name."""

    offsets: Mapping[str, int]
    data: bytes


class _Header(msgspec.Struct):
    offsets: dict[str, int]
    size: int
    crc32: int
    settings: str


class SnapshotStore:
    """The snapshots of one stage, in one folder that all its workers share.

    Args:
        folder: Of this stage alone.
        settings: Settings that the state depends on, as a text. A snapshot made with others is not used.
    """

    def __init__(self, folder: Path, *, settings: str = "") -> None:
        self._folder, self._settings = folder, settings

    def save(self, partition: int, snapshot: Snapshot) -> Path:
        """Write a snapshot durably; keeps this one and the newest of the others, ``KEEP`` in all.

        The newest is the one written last. After the group's offsets were reset, older snapshots have
        higher offsets but cannot be used.

        Raises:
            OSError: The disk is full or not writable.
        """
        folder = self._folder / str(partition)
        folder.mkdir(parents=True, exist_ok=True)
        header = msgspec.json.encode(
            _Header(
                offsets=dict(snapshot.offsets),
                size=len(snapshot.data),
                crc32=zlib.crc32(snapshot.data),
                settings=self._settings,
            )
        )
        path = folder / f"{sum(snapshot.offsets.values()):020d}.snapshot"
        temporary = path.with_suffix(f".{secrets.token_hex(4)}.tmp")
        try:
            with temporary.open("wb") as file:
                file.write(MAGIC + len(header).to_bytes(4, "big") + header + snapshot.data)
                file.flush()
                os.fsync(file.fileno())
            written_at_s = temporary.stat().st_mtime
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        _remove_stale(folder, kept=path)
        _remove_unfinished(folder, written_before_s=written_at_s - UNFINISHED_S)
        return path

    def candidates(self, partition: int) -> Iterator[Snapshot]:
        """Yield the readable snapshots, newest first; unreadable ones are logged and skipped."""
        folder = self._folder / str(partition)
        for path in sorted(folder.glob("*.snapshot"), reverse=True):
            try:
                yield _parse(path.read_bytes(), settings=self._settings)
            except (OSError, ValueError, msgspec.DecodeError) as error:
                logger.warning("snapshot.refused", extra={"path": str(path), "reason": str(error)})


def _remove_stale(folder: Path, *, kept: Path) -> None:
    """Delete all snapshots but ``kept`` and those written last; other workers may delete too."""
    others: list[tuple[int, Path]] = []
    for path in folder.glob("*.snapshot"):
        with contextlib.suppress(FileNotFoundError):
            if path != kept:
                others.append((path.stat().st_mtime_ns, path))
    for _, path in sorted(others, reverse=True)[KEEP - 1 :]:
        path.unlink(missing_ok=True)


def _remove_unfinished(folder: Path, *, written_before_s: float) -> None:
    """Delete temporary files that a killed process left; newer ones may still be written."""
    for path in folder.glob("*.tmp"):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < written_before_s:
                path.unlink()


def _parse(raw: bytes, *, settings: str) -> Snapshot:
    if raw[: len(MAGIC)] != MAGIC:
        raise ValueError("not a snapshot of this version")
    start = len(MAGIC) + 4
    end = start + int.from_bytes(raw[len(MAGIC) : start], "big")
    header = msgspec.json.decode(raw[start:end], type=_Header)
    data = raw[end:]
    if len(data) != header.size or zlib.crc32(data) != header.crc32:
        raise ValueError("truncated or corrupt")
    if header.settings != settings:
        raise ValueError(f"made with other settings: {header.settings}; now {settings}")
    return Snapshot(header.offsets, data)
