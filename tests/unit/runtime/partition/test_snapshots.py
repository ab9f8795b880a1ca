"""Snapshots are written completely or not at all, and refused when they were changed."""

import os
from pathlib import Path

import pytest

from gnomon.runtime.partition.snapshots import Snapshot, SnapshotStore


def test_the_newest_comes_first_and_two_are_kept(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path)
    for offset in (5, 100, 20):
        store.save(3, Snapshot({"events": offset}, b"state %d" % offset))

    found = list(store.candidates(3))

    assert [s.offsets["events"] for s in found] == [100, 20]
    assert found[0].data == b"state 100"


def test_after_a_reset_of_the_offsets_new_snapshots_are_kept(tmp_path: Path) -> None:
    """Snapshots from before the reset have higher offsets, and cannot be used."""
    store = SnapshotStore(tmp_path)
    for offset in (900, 1000, 5):
        store.save(0, Snapshot({"events": offset}, b"state %d" % offset))

    assert b"state 5" in [s.data for s in store.candidates(0)]
    store.save(0, Snapshot({"events": 9}, b"state 9"))
    assert b"state 9" in [s.data for s in store.candidates(0)]
    assert len(list(store.candidates(0))) == 2


def test_partitions_have_separate_snapshots(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path)
    store.save(0, Snapshot({"events": 1}, b"zero"))

    assert list(store.candidates(1)) == []


def test_a_changed_or_truncated_file_is_skipped_for_the_one_before(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path)
    store.save(0, Snapshot({"events": 1}, b"older"))
    path = store.save(0, Snapshot({"events": 2}, b"newer"))
    whole = path.read_bytes()
    for spoiled in (whole[:-1], b"", whole[:3], whole[:-1] + b"x", b"GNSN\x02" + whole[5:]):
        path.write_bytes(spoiled)

        assert [s.data for s in store.candidates(0)] == [b"older"], spoiled


def test_a_failed_write_leaves_no_partial_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SnapshotStore(tmp_path)
    store.save(0, Snapshot({"events": 1}, b"kept"))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.save(0, Snapshot({"events": 2}, b"lost"))

    assert [p.suffix for p in (tmp_path / "0").iterdir()] == [".snapshot"]
    assert [s.data for s in store.candidates(0)] == [b"kept"]


def test_temporary_files_of_a_killed_process_are_removed_later(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path)
    saved = store.save(0, Snapshot({"t": 1}, b"1"))
    abandoned, being_written = saved.with_suffix(".a.tmp"), saved.with_suffix(".b.tmp")
    for path in (abandoned, being_written):
        path.write_bytes(b"half")
    os.utime(abandoned, (0, saved.stat().st_mtime - 4000))

    store.save(0, Snapshot({"t": 2}, b"2"))

    assert not abandoned.exists()
    assert being_written.exists()


def test_a_snapshot_made_with_other_settings_is_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    SnapshotStore(tmp_path, settings="expire_after_s=60").save(0, Snapshot({"events": 1}, b"a"))

    assert list(SnapshotStore(tmp_path, settings="expire_after_s=90").candidates(0)) == []
    assert "expire_after_s=60" in str(caplog.records[-1].__dict__["reason"])
    kept = SnapshotStore(tmp_path, settings="expire_after_s=60").candidates(0)
    assert [s.data for s in kept] == [b"a"]
