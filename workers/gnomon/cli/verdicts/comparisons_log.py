"""Reads comparisons from a file, one a line in any order, as the evidence of a verdict."""

from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from gnomon import codec
from gnomon.cli.verdicts.lines import numbered_lines
from gnomon.cli.verdicts.spill import KEEP_BYTES, SpillingSort
from gnomon.errors import ConfigurationError
from gnomon.long_work import ProgressCallback, counted, no_progress
from gnomon.replay.replayed import is_replayed
from gnomon.verdict import Decided, Evidence, VerdictSettings, WindowBuilder, with_newest_only
from gnomon.verdict.drifting import DriftLog
from gnomon.verdict.evidence.decided import HOUR_MS
from gnomon.verdict.report.pictures import Album
from gnomon.verdict.report.source import Source
from gnomon.verdict.typed_harm import TypeLog

Say = Callable[[str], None]

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Decided).decode


class BadComparisonsError(ConfigurationError):
    """Raised if the file cannot be judged. The message has its name and line."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """The content of a file.

    Attributes:
        evidence: Evidence from its distinct decisions, with hours closed.
        watermark_ms: The latest time in it (epoch milliseconds); 0 of an empty file.
        records: Number of distinct decisions; ``repeats``: number of further lines with the same ids.
        drift: A monitor for each model.
        types: The task types of each model.
        source: What was read.
        album: Data of the charts, if they were requested.
    """

    evidence: Evidence
    watermark_ms: int
    records: int
    repeats: int
    drift: DriftLog
    types: TypeLog
    source: Source
    album: Album | None


def gather(
    path: Path,
    settings: VerdictSettings,
    *,
    newest: bool = False,
    draw: bool = False,
    source: Source | None = None,
    say: Say = lambda _: None,
    on_progress: ProgressCallback = no_progress,
    keep_bytes: int = KEEP_BYTES,
) -> Gathered:
    """Read the file once; data that do not fit into memory are sorted in temporary files.

    If lines with one ``decision_id`` differ, one of them counts, independently of their order. Lines
    that ``gnomon replay --model`` wrote do not count.

    Args:
        path: File with one ``comparison.v1`` a line; empty lines are ignored.
        settings: Settings of the verdict.
        newest: Whether to judge the newest version of a name at each task as one model.
        draw: Whether to collect the data of charts.
        source: Describes what is read; by default the file.
        say: Called with what was left out.
        on_progress: Takes the progress.
        keep_bytes: Bytes that each of two sorts may keep in memory.

    Raises:
        BadComparisonsError: The file cannot be read, or a line is no comparison.
    """
    window, records, replayed = WindowBuilder(settings), 0, 0
    latest_ms: dict[str, int] = {}
    drift, source = DriftLog(settings), source or Source(f"file {path.name}")
    with SpillingSort(keep_bytes) as by_id, SpillingSort(keep_bytes) as by_time:
        for decided in _read(path, source, on_progress):
            if decided is None:
                replayed += 1
                continue
            by_id.add(decided.decision_id.encode(), _encode(decided))
        last = None
        for key, row in counted(by_id, on_progress, "sorting decisions", source.lines - replayed):
            if key == last:
                continue
            last = key
            decided = with_newest_only(_decode(row)) if newest else _decode(row)
            records += 1
            agent = decided.agent_id
            latest_ms[agent] = max(latest_ms.get(agent, 0), decided.newest_ms)
            window.add(decided)
            by_time.add(decided.started_at_ms.to_bytes(8, "big"), row)
        evidence = Evidence(settings=settings, window=window.build())
        album, types = Album(evidence) if draw else None, TypeLog(evidence)
        for key, row in counted(by_time, on_progress, "judging decisions", records):
            hour = int.from_bytes(key, "big") // HOUR_MS
            if hour > evidence.closed_before_hour:
                evidence.close_hours(hour)
                if album is not None:
                    album.look(hour)
            decided = with_newest_only(_decode(row)) if newest else _decode(row)
            newest_ms = latest_ms[decided.agent_id]
            evidence.add(decided, watermark_ms=newest_ms)
            drift.add(decided)
            types.add(decided, watermark_ms=newest_ms)
            if album is not None:
                album.add(decided, watermark_ms=newest_ms)
        evidence.close_hours()
        watermark_ms = max(latest_ms.values(), default=0)
        if album is not None:
            album.look(watermark_ms // HOUR_MS + 1)
    if replayed:
        say(f"{replayed:,} lines of a replay are left out: they are no live evidence")
    repeats = source.lines - records - replayed
    return Gathered(evidence, watermark_ms, records, repeats, drift, types, source, album)


def _read(path: Path, source: Source, on_progress: ProgressCallback) -> Iterator[Decided | None]:
    """Yield each line; ``None`` for a line that ``gnomon replay --model`` wrote."""
    for number, line in numbered_lines(path, on_progress):
        source.add(line)
        text = line.removeprefix(BOM_UTF8) if number == 1 else line
        if text and not text.isspace():
            yield _decided(text, path, number)


def _decided(line: bytes, path: Path, number: int) -> Decided | None:
    try:
        return Decided.with_report(codec.decode_comparison(line))
    except codec.UNDECODABLE as error:
        if is_replayed(line):
            return None
        raise BadComparisonsError(f"{path}, line {number}: no comparison.v1: {error}") from error
