"""Tests of what is said about this machine."""

import os
from pathlib import Path

import pytest

from gnomon.broker.failures import JavaMissingError
from gnomon.features import implementation
from gnomon.operations.doctor import machine
from gnomon.settings import Settings

GIB = 1 << 30


def test_a_variable_that_nothing_reads_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GNOMON_")]:
        monkeypatch.delenv(name)
    (before,) = machine.settings_names(Settings())
    monkeypatch.setenv("GNOMON_BROKR", "a:1")
    (after,) = machine.settings_names(Settings())

    assert (before.level, after.level) == ("ok", "problem")
    assert "GNOMON_BROKERS" in after.found


def test_the_installed_packages_fit() -> None:
    assert [each.level for each in machine.versions(Settings())] == ["ok"]


@pytest.mark.parametrize(
    ("requirement", "problems"),
    [
        ("msgspec>=0.1", 0),
        ("msgspec>=99", 1),
        ("msgspec<0.1; extra == 'all'", 1),
        ("sundial>=1", 0),
    ],
)
def test_a_package_of_another_version_is_a_problem(requirement: str, problems: int) -> None:
    found = list(machine.unfit([requirement, requirement]))

    assert [each.level for each in found] == ["problem"] * problems
    assert all(each.remedy.startswith("pip install 'msgspec") for each in found)


def test_modules_that_are_not_compiled_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GNOMON_PURE_PYTHON", raising=False)
    monkeypatch.setattr(implementation, "COMPILED", False)
    (missing,) = machine.compiled(Settings())
    monkeypatch.setenv("GNOMON_PURE_PYTHON", "1")
    (off,) = machine.compiled(Settings())

    assert (missing.level, off.level) == ("note", "note")
    assert "features" in missing.found
    assert "install gnomon again" in missing.remedy
    assert "unset" in off.remedy


def test_java_counts_only_where_gnomon_may_run_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_environ: object) -> Path:
        raise JavaMissingError(["/usr/bin/java is Java 8"])

    monkeypatch.setattr("gnomon.broker.java.find_java", none)
    (found,) = machine.java(Settings(brokers="127.0.0.1:9092"))

    assert found.level == "problem"
    assert "Java 8" in found.found + found.remedy
    assert "JAVA_HOME" in found.remedy
    assert list(machine.java(Settings(brokers="kafka.example:9092"))) == []


def test_jars_that_are_not_there_are_noted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("gnomon.broker.java.find_java", lambda _environ: Path("/java"))
    monkeypatch.setenv("M2_REPO", str(tmp_path))
    java, jars = machine.java(Settings())

    assert java.level == "ok"
    assert jars.level == "note"
    assert "--download-only" in jars.remedy


@pytest.mark.parametrize(
    ("free", "level"),
    [(0, "problem"), (GIB - 1, "problem"), (GIB, "note"), (5 * GIB - 1, "note"), (5 * GIB, "ok")],
)
def test_free_space_is_judged(free: int, level: str) -> None:
    assert machine.room(Path("/data"), free).level == level


def test_a_folder_that_does_not_exist_yet_is_judged_by_its_parent(tmp_path: Path) -> None:
    (found,) = machine.disk(Settings(data_dir=str(tmp_path / "not" / "yet")))
    assert str(tmp_path) in found.found


def test_a_folder_that_cannot_be_written_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    (found,) = machine.disk(Settings(data_dir=str(tmp_path)))

    assert found.level == "problem"
    assert "GNOMON_DATA_DIR" in found.remedy
