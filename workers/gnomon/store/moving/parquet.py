"""A folder of Parquet files, local or on S3-compatible storage, as a source or a target of copies.

A file has one row a decision: the columns of ``gnomon_decisions``, the row of ``gnomon_tasks`` as a struct, and
the rows of ``gnomon_predictions`` as a list of structs. ``keys.json`` has the wrapped keys, and
``manifest.json``, which is written last, names the files with their SHA-256. Nothing of it opens a decision
without the key-encryption key.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import BigInteger, Boolean, Column, Double, LargeBinary, String

from gnomon.errors import ConfigurationError
from gnomon.events import SealedDecision
from gnomon.store.chosen import Chosen
from gnomon.store.figures import Figures
from gnomon.store.figures.tables import PREDICTIONS, TASKS
from gnomon.store.moving.folders import Folder
from gnomon.store.moving.ports import KeyRows, Part
from gnomon.store.schema import DECISIONS

MANIFEST: Final = "manifest.json"
KEYS: Final = "keys.json"
FILE_ROWS: Final = 100_000
"""A file is ended when it has so many decisions."""
_FORMAT: Final = "gnomon-vault-export.v1"

_TYPES: Final[Mapping[type[Any], pa.DataType]] = {
    BigInteger: pa.int64(),
    Boolean: pa.bool_(),
    Double: pa.float64(),
    LargeBinary: pa.binary(),
    String: pa.string(),
}
_TASK: Final = tuple(column.name for column in TASKS.columns)
_PREDICTION: Final = tuple(column.name for column in PREDICTIONS.columns)


def _fields(columns: Sequence[Column[Any]]) -> list[pa.Field]:
    return [pa.field(column.name, _TYPES[type(column.type)]) for column in columns]


SCHEMA: Final = pa.schema(
    [
        *_fields([DECISIONS.c[name] for name in SealedDecision.__struct_fields__]),
        pa.field("task", pa.struct(_fields(list(TASKS.columns)))),
        pa.field("predictions", pa.list_(pa.struct(_fields(list(PREDICTIONS.columns))))),
    ]
)


class File(msgspec.Struct, frozen=True, kw_only=True):
    """One file of an export."""

    name: str
    decisions: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag=_FORMAT):
    """What an export consists of, and why it was made."""

    files: list[File]
    decisions: int
    first_ended_at_ms: int | None
    last_ended_at_ms: int | None
    keys_sha256: str
    reason: str


class _Writing:
    """A file that is being written, and its hash."""

    def __init__(self, folder: Folder, name: str) -> None:
        self.name, self.decisions, self.closed = name, 0, False
        self._out = folder.writer(name)
        self._hash = hashlib.sha256()
        self._writer = pq.ParquetWriter(pa.PythonFile(self, mode="w"), SCHEMA, compression="zstd")

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        self._out.write(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back here."""

    def close(self) -> None:
        """Called by Arrow; the file is closed by ``end``."""

    def add(self, table: pa.Table) -> None:
        self._writer.write_table(table)
        self.decisions += table.num_rows

    def end(self) -> File:
        self._writer.close()
        self._out.close()
        # It refers to this object: together they would keep the file's footer until the garbage collector ran.
        del self._writer
        self.closed = True
        return File(name=self.name, decisions=self.decisions, sha256=self._hash.hexdigest())


class ParquetStore:
    """Implements ``SealedStore`` for a folder.

    Args:
        folder: The folder.
        file_rows: A file is ended when it has so many decisions.
    """

    def __init__(self, folder: Folder, *, file_rows: int = FILE_ROWS) -> None:
        self._folder, self._file_rows = folder, file_rows
        self.name = folder.name
        self._files: list[File] = []
        self._open: _Writing | None = None
        self._first_ms: int | None = None
        self._last_ms: int | None = None
        self._keys_sha256 = ""

    def count(self, chosen: Chosen) -> int:
        """Return the number of decisions; without a choice, from the manifest alone."""
        manifest = self.manifest()
        if chosen == Chosen():
            return manifest.decisions
        columns = ["ended_at_ms", "status", *(["scope"] if chosen.scope is not None else [])]
        tables = (group for file in manifest.files for group in self._groups(file, columns))
        return sum(int(_mask(table, chosen).sum()) for table in tables)

    def parts(self, chosen: Chosen) -> Iterator[Part]:
        """Yield decisions, after the hash of each file was compared."""
        for file in self.manifest().files:
            self._folder.require_sha256(file.name, file.sha256)
            for table in self._groups(file, None):
                kept = table.filter(pa.array(_mask(table, chosen)))
                if kept.num_rows:
                    yield _part(kept.to_pylist())

    def keys(self) -> KeyRows:
        """Return the wrapped keys."""
        self._folder.require_sha256(KEYS, self.manifest().keys_sha256)
        rows: KeyRows = msgspec.json.decode(self._folder.read(KEYS), type=dict[str, Any])
        return {
            table: [{name: _from_json(value) for name, value in row.items()} for row in found]
            for table, found in rows.items()
        }

    def write_keys(self, keys: KeyRows) -> None:
        """Write all keys, in place of those that were written before.

        Raises:
            ConfigurationError: The folder has an export already.
        """
        if self._folder.has(MANIFEST):
            raise ConfigurationError(f"{self.name} has an export already: name another folder")
        plain = {
            table: [{name: _to_json(value) for name, value in row.items()} for row in found]
            for table, found in keys.items()
        }
        data = msgspec.json.encode(plain)
        self._folder.write(KEYS, data)
        self._keys_sha256 = hashlib.sha256(data).hexdigest()

    def write(self, part: Part) -> None:
        """Append a part to the current file."""
        if self._open is None:
            self._open = _Writing(self._folder, f"decisions-{len(self._files):05}.parquet")
        self._open.add(_table(part))
        ends = [decision.ended_at_ms for decision in part.decisions]
        self._first_ms = min([*ends, *([] if self._first_ms is None else [self._first_ms])])
        self._last_ms = max([*ends, *([] if self._last_ms is None else [self._last_ms])])
        if self._open.decisions >= self._file_rows:
            self._end_file()

    def finish(self, *, reason: str) -> None:
        """Write the manifest."""
        self._end_file()
        manifest = Manifest(
            files=self._files,
            decisions=sum(file.decisions for file in self._files),
            first_ended_at_ms=self._first_ms,
            last_ended_at_ms=self._last_ms,
            keys_sha256=self._keys_sha256,
            reason=reason,
        )
        self._folder.write(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2))

    def manifest(self) -> Manifest:
        """Return what the export consists of.

        Raises:
            ConfigurationError: There is none, or it is not whole.
        """
        if not self._folder.has(MANIFEST):
            raise ConfigurationError(
                f"{self.name} has no {MANIFEST}: it is no export of gnomon, or one that was interrupted;"
                " export again"
            )
        try:
            return msgspec.json.decode(self._folder.read(MANIFEST), type=Manifest)
        except msgspec.DecodeError as error:
            raise ConfigurationError(f"{self.name}/{MANIFEST}: {error}") from error

    def close(self) -> None:
        """Leave a file that is not ended as it is: without a manifest nobody reads it."""

    def _end_file(self) -> None:
        if self._open is not None:
            self._files.append(self._open.end())
            self._open = None

    def _groups(self, file: File, columns: list[str] | None) -> Iterator[pa.Table]:
        with self._folder.reader(file.name) as opened:
            try:
                parquet = pq.ParquetFile(opened)
                for number in range(parquet.num_row_groups):
                    yield parquet.read_row_group(number, columns=columns)
            except pa.ArrowInvalid as error:
                raise ConfigurationError(f"{self.name}/{file.name}: {error}") from error


def _mask(table: pa.Table, chosen: Chosen) -> Any:
    ends = table["ended_at_ms"].to_numpy()
    mask = np.ones(len(ends), dtype=bool)
    if chosen.since_ms is not None:
        mask &= ends >= chosen.since_ms
    if chosen.until_ms is not None:
        mask &= ends < chosen.until_ms
    for name, wanted in (("status", chosen.status), ("scope", chosen.scope)):
        if wanted is not None:
            mask &= table[name].to_numpy() == wanted
    return mask


def _table(part: Part) -> pa.Table:
    figures = {each.task[1]: each for each in part.figures}
    rows = []
    for decision in part.decisions:
        row: dict[str, object] = msgspec.structs.asdict(decision)
        own = figures.get(decision.decision_id)
        row["task"] = None if own is None else dict(zip(_TASK, own.task, strict=True))
        row["predictions"] = [
            dict(zip(_PREDICTION, each, strict=True)) for each in (own.predictions if own else ())
        ]
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _part(rows: Sequence[dict[str, Any]]) -> Part:
    figures = [
        Figures(
            tuple(row["task"][name] for name in _TASK),
            [tuple(each[name] for name in _PREDICTION) for each in row["predictions"]],
        )
        for row in rows
        if row["task"] is not None
    ]
    names = SealedDecision.__struct_fields__
    return Part([SealedDecision(**{name: row[name] for name in names}) for row in rows], figures)


def _to_json(value: object) -> object:
    return {"hex": value.hex()} if isinstance(value, bytes) else value


def _from_json(value: object) -> object:
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value
