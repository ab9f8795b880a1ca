"""Compressed exports are read like others; what is no text is named as what it is."""

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from tests.unit.replay.source.reading_files import GOOD, HEADER, csv_of, good_but

from gnomon.replay.source import Columns, read_export

PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda data: bytes(pa.compress(data, codec="zstd", asbytes=True)),
    "lz4": lambda data: bytes(pa.compress(data, codec="lz4", asbytes=True)),
}
ROWS = [good_but(run_id=f"r{number}") for number in range(3000)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize("packing", PACKED)
def test_a_compressed_export_is_read(
    packing: str, kind: str, encoding: str, tmp_path: Path
) -> None:
    lines = [json.dumps(dict(zip(HEADER, row, strict=True))) for row in ROWS]
    text = csv_of(*ROWS) if kind == "csv" else "\n".join(lines)
    path = tmp_path / f"runs.{kind}.{packing}"
    path.write_bytes(PACKED[packing](text.encode(encoding)))

    found = read_export(path, Columns())

    assert found.error is None
    assert [run.started.task_id for run in found.runs] == [f"r{n}" for n in range(3000)]


def test_its_first_bytes_say_so_and_not_its_name(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_bytes(gzip.compress(csv_of(GOOD).encode()))
    (tmp_path / "plain.csv.gz").write_text(csv_of(GOOD))

    for name in ("runs.csv", "plain.csv.gz"):
        assert len(read_export(tmp_path / name, Columns()).runs) == 1


@pytest.mark.parametrize("packing", PACKED)
def test_one_that_is_cut_off_is_refused_by_its_name(packing: str, tmp_path: Path) -> None:
    path = tmp_path / f"runs.csv.{packing}"
    data = PACKED[packing](csv_of(*ROWS).encode())
    path.write_bytes(data[: len(data) // 2])

    found = read_export(path, Columns())

    assert str(found.error).startswith(str(path))
    assert "None" not in str(found.error)


@pytest.mark.parametrize(
    ("first", "what"),
    [
        (b"PK\x03\x04\x14\x00", "an Excel file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an Excel file"),
        (b"PAR1\x15\x04", "Parquet; name it with the ending .parquet"),
        (b"SQLite format 3\x00", "an SQLite database"),
    ],
)
def test_what_is_no_text_is_named(first: bytes, what: str, tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_bytes(first + bytes(100))

    assert what in str(read_export(path, Columns()).error)
