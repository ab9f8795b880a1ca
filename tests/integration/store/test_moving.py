"""One suite for every store of sealed decisions: SQLite, PostgreSQL, Parquet in a folder and on S3."""

import gc
import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.integration.store.test_store import ROW, sealed
from tests.support.servers.s3 import ACCESS_KEY, SECRET_KEY, S3Server, s3_server

from gnomon.errors import ConfigurationError, StoreUnavailableError
from gnomon.events import SealedDecision
from gnomon.store import DecisionStore
from gnomon.store.figures import Figures
from gnomon.store.figures.tables import PREDICTIONS, TASKS
from gnomon.store.moving import Chosen, Part, SealedStore, SqlStore, copy
from gnomon.store.moving.folders import Folder
from gnomon.store.moving.parquet import ParquetStore

KINDS = ("sqlite", "postgresql", "folder", "s3")
ALL = Chosen()


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        client = boto3.client(
            "s3",
            endpoint_url=server.url,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name="us-east-1",
        )
        client.create_bucket(Bucket="vault")
        yield server


@pytest.fixture
def s3_url(s3: S3Server, monkeypatch: pytest.MonkeyPatch, prefix: str) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    return f"s3://vault/{prefix}"


Make = Callable[[], SealedStore]


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Opens the store of this test, which is empty at first."""
    if request.param in {"folder", "s3"}:
        where = str(
            tmp_path / "export" if request.param == "folder" else request.getfixturevalue("s3_url")
        )
        return lambda: ParquetStore(Folder(where), file_rows=7)
    url = (
        f"sqlite:///{tmp_path}/store.db"
        if request.param == "sqlite"
        else request.getfixturevalue("postgres_url")
    )

    def opened() -> SealedStore:
        store = DecisionStore(url)
        store.create()
        return SqlStore(store, part_rows=4)

    return opened


def figures(decision: SealedDecision, models: int = 2) -> Figures:
    key = (decision.ended_at_ms, decision.decision_id)
    whose = ("", "a" * 16, "t" * 16, decision.status)
    task = (*key, *whose, decision.started_at_ms, 1.5, True, *[None] * 8)
    rest = (decision.started_at_ms, 0, 1.5, True, 2.0, None, *[None] * 7, 0.5, *[None] * 5)
    predictions = [(*key, "gnomon", str(number), *whose, *rest) for number in range(models)]
    assert len(task) == len(TASKS.columns)
    assert all(len(row) == len(PREDICTIONS.columns) for row in predictions)
    return Figures(task, predictions)


def some(count: int) -> Part:
    """Of every third, no numbers are stored."""
    decisions = [sealed(n, body=bytes([n % 256]) * 40) for n in range(count)]
    return Part(decisions, [figures(each, n % 3) for n, each in enumerate(decisions) if n % 3])


def keys() -> dict[str, list[dict[str, object]]]:
    row = {name: getattr(ROW, name) for name in ROW.__dataclass_fields__}
    return {
        "gnomon_keys": [row],
        "gnomon_meta": [
            {"name": "canary", "value": b"canary"},
            {"name": "index_key.", "value": b"k"},
        ],
    }


def filled(make: Make, part: Part) -> SealedStore:
    store = make()
    store.write_keys(keys())
    for start in range(0, len(part.decisions), 3):
        decisions = part.decisions[start : start + 3]
        ids = {each.decision_id for each in decisions}
        store.write(Part(decisions, [each for each in part.figures if each.task[1] in ids]))
    store.finish(reason="a test")
    store.close()
    return make()


def read(store: SealedStore, chosen: Chosen = ALL) -> Part:
    decisions: list[SealedDecision] = []
    found: list[Figures] = []
    for part in store.parts(chosen):
        assert len(part.decisions) <= 7
        decisions += part.decisions
        found += part.figures
    return Part(decisions, sorted(found, key=lambda each: str(each.task[1])))


def test_what_is_written_is_read(make: Make) -> None:
    part = some(20)
    store = filled(make, part)
    found = read(store)
    assert found.decisions == part.decisions
    assert [each.task for each in found.figures] == [each.task for each in part.figures]
    assert [sorted(map(str, each.predictions)) for each in found.figures] == [
        sorted(map(str, each.predictions)) for each in part.figures
    ]
    assert store.count(ALL) == 20
    store.close()


def test_nothing_is_a_store_too(make: Make) -> None:
    store = filled(make, Part([], []))
    assert list(store.parts(ALL)) == []
    assert store.count(ALL) == 0
    store.close()


@pytest.mark.parametrize(
    "chosen",
    [
        Chosen(since_ms=1_005, until_ms=1_012),
        Chosen(since_ms=1_019),
        Chosen(until_ms=1_000),
        Chosen(status="expired"),
        Chosen(scope="default"),
        Chosen(scope="elsewhere"),
    ],
)
def test_what_is_chosen(make: Make, chosen: Chosen) -> None:
    part = some(20)
    store = filled(make, part)
    expected = [
        each
        for each in part.decisions
        if (chosen.since_ms is None or each.ended_at_ms >= chosen.since_ms)
        and (chosen.until_ms is None or each.ended_at_ms < chosen.until_ms)
        and (chosen.status is None or each.status == chosen.status)
        and (chosen.scope is None or each.scope == chosen.scope)
    ]
    assert read(store, chosen).decisions == expected
    assert store.count(chosen) == len(expected)
    store.close()


def test_keys_go_with_the_decisions(make: Make) -> None:
    store = filled(make, some(1))
    found = {table: [dict(row) for row in rows] for table, rows in store.keys().items()}
    names = ("canary", "index_key.")
    found["gnomon_meta"] = [row for row in found["gnomon_meta"] if row["name"] in names]
    for rows in found.values():
        rows.sort(key=str)
    expected = keys()
    for row in found["gnomon_keys"]:
        assert {name: row[name] for name in expected["gnomon_keys"][0]} == expected["gnomon_keys"][
            0
        ]
    assert found["gnomon_meta"] == sorted(expected["gnomon_meta"], key=str)
    store.close()


@pytest.mark.parametrize("target", ["folder", "s3"])
def test_there_and_back(
    target: str, tmp_path: Path, store: DecisionStore, request: pytest.FixtureRequest
) -> None:
    """A store is exported, and imported into another."""
    part = some(50)
    store.upsert(part.decisions, figures=part.figures)
    where = str(tmp_path / "x") if target == "folder" else request.getfixturevalue("s3_url")
    out = copy(SqlStore(store, part_rows=9), ParquetStore(Folder(where)), ALL, reason="r")
    other = DecisionStore(f"sqlite:///{tmp_path}/other.db")
    other.create()
    for _ in range(2):  # an import that comes again changes nothing
        back = copy(ParquetStore(Folder(where)), SqlStore(other), ALL, reason="r")
    assert (out.decisions, back.decisions, back.refused) == (50, 50, [])
    assert read(SqlStore(other, part_rows=7)) == read(SqlStore(store, part_rows=7))
    other.close()


def export(store: DecisionStore, folder: Path, count: int = 20) -> Path:
    part = some(count)
    store.upsert(part.decisions, figures=part.figures)
    source = SqlStore(store, part_rows=4)
    copy(source, ParquetStore(Folder(str(folder)), file_rows=8), ALL, reason="why")
    return folder


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[DecisionStore]:
    store = DecisionStore(f"sqlite:///{tmp_path}/store.db")
    store.create()
    yield store
    store.close()


def test_others_can_read_the_files(sqlite: DecisionStore, tmp_path: Path) -> None:
    folder = export(sqlite, tmp_path / "x")
    query = f"SELECT count(*), count(task), sum(len(predictions)) FROM '{folder}/*.parquet'"  # noqa: S608
    assert duckdb.connect().execute(query).fetchone() == (20, 13, 19)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["decisions"], manifest["reason"]) == (20, "why")
    assert [file["name"] for file in manifest["files"]] == sorted(
        path.name for path in folder.glob("*.parquet")
    )


@pytest.mark.parametrize("name", ["decisions-00001.parquet", "keys.json"])
def test_a_changed_file_is_refused(sqlite: DecisionStore, tmp_path: Path, name: str) -> None:
    folder = export(sqlite, tmp_path / "x")
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(ConfigurationError, match=f"{name} is not the file that was exported"):
        copy(ParquetStore(Folder(str(folder))), SqlStore(sqlite), ALL, reason="")


def test_a_missing_file_is_named(sqlite: DecisionStore, tmp_path: Path) -> None:
    folder = export(sqlite, tmp_path / "x")
    (folder / "decisions-00000.parquet").unlink()
    with pytest.raises(ConfigurationError, match=r"decisions-00000\.parquet"):
        list(ParquetStore(Folder(str(folder))).parts(ALL))


def test_an_export_that_was_interrupted_is_none(sqlite: DecisionStore, tmp_path: Path) -> None:
    folder = export(sqlite, tmp_path / "x")
    (folder / "manifest.json").unlink()
    with pytest.raises(ConfigurationError, match="export again"):
        ParquetStore(Folder(str(folder))).count(ALL)
    export(sqlite, folder)  # again, in its place
    assert ParquetStore(Folder(str(folder))).count(ALL) == 20


def test_an_export_is_not_written_over(sqlite: DecisionStore, tmp_path: Path) -> None:
    folder = export(sqlite, tmp_path / "x")
    with pytest.raises(ConfigurationError, match="name another folder"):
        export(sqlite, folder)


def test_of_a_part_that_is_refused_the_good_rows_are_stored(sqlite: DecisionStore) -> None:
    good, bad = sealed(1), sealed(2, ended_at_ms=2**63)

    class Source:
        name = "source"

        def parts(self, chosen: Chosen) -> Iterator[Part]:
            yield Part([good, bad, sealed(3)], [figures(good)])

        def count(self, chosen: Chosen) -> int:
            return 3

        def keys(self) -> dict[str, list[dict[str, object]]]:
            return keys()

        def write_keys(self, keys: object) -> None: ...
        def write(self, part: Part) -> None: ...
        def finish(self, *, reason: str) -> None: ...
        def close(self) -> None: ...

    done = copy(Source(), SqlStore(sqlite), ALL, reason="")
    assert done.decisions == 2
    ((refused, why),) = done.refused
    assert refused == "d-00002"
    assert "store_refused" in why
    assert sqlite.count() == 2


def test_memory_does_not_grow_with_the_store(sqlite: DecisionStore, tmp_path: Path) -> None:
    """Export and import of ten times as many decisions need the same."""

    def peak(count: int, folder: Path) -> int:
        part = some(count)
        sqlite.upsert(part.decisions, figures=part.figures)
        del part
        pool = pa.system_memory_pool()
        tracemalloc.start()
        source = SqlStore(sqlite, part_rows=100)
        copy(source, ParquetStore(Folder(str(folder))), ALL, reason="")
        copy(ParquetStore(Folder(str(folder))), SqlStore(sqlite), ALL, reason="")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most + int(pool.bytes_allocated())

    small = peak(300, tmp_path / "small")
    assert peak(3_000, tmp_path / "large") < 1.5 * small


def test_nothing_is_kept_of_a_file_that_is_written(sqlite: DecisionStore, tmp_path: Path) -> None:
    """Also if no garbage is collected meanwhile."""
    part = some(60)
    sqlite.upsert(part.decisions, figures=part.figures)
    target = ParquetStore(Folder(str(tmp_path / "files")), file_rows=7)
    gc.collect()
    gc.disable()
    try:
        copy(SqlStore(sqlite, part_rows=4), target, ALL, reason="")
        assert len(target.manifest().files) > 5
        assert [each for each in gc.get_objects() if isinstance(each, pq.ParquetWriter)] == []
    finally:
        gc.enable()


def test_a_storage_that_does_not_answer_or_refuses(
    s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(ConfigurationError, match="s3://"):
        ParquetStore(Folder(s3_url)).write_keys({})
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(StoreUnavailableError, match="s3://"):
        ParquetStore(Folder(s3_url)).write_keys({})


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    for where in ("gs://bucket/x", "s3://"):
        with pytest.raises(ConfigurationError, match="expected a folder"):
            Folder(where)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="file"):
        ParquetStore(Folder(f"{tmp_path}/file/x")).write_keys({})


def test_a_file_that_is_no_parquet_is_told(sqlite: DecisionStore, tmp_path: Path) -> None:
    folder = export(sqlite, tmp_path / "x")
    name = "decisions-00000.parquet"
    assert pq.ParquetFile(folder / name).num_row_groups >= 1
    (folder / name).write_bytes(b"nothing")
    with pytest.raises(ConfigurationError, match=name):
        ParquetStore(Folder(str(folder))).count(Chosen(status="matched"))
