"""Tests of the choice of Java."""

import stat
from pathlib import Path

import pytest

from gnomon.broker.failures import JavaMissingError
from gnomon.broker.java import find_java, java_version

HOME, ON_PATH, BUNDLED = Path("/home/bin/java"), Path("/path/java"), Path("/wheel/java")


def found(versions: dict[Path, int | None], *, environ: dict[str, str] | None = None) -> Path:
    return find_java(
        {"JAVA_HOME": "/home"} if environ is None else environ,
        which=lambda name: str(ON_PATH) if name == "java" and ON_PATH in versions else None,
        version_of=versions.get,
        bundled=lambda: BUNDLED if BUNDLED in versions else None,
    )


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ({HOME: 17, ON_PATH: 21, BUNDLED: 25}, HOME),
        ({HOME: 11, ON_PATH: 21, BUNDLED: 25}, ON_PATH),
        ({HOME: None, ON_PATH: 16, BUNDLED: 25}, BUNDLED),
        ({BUNDLED: 17}, BUNDLED),
    ],
)
def test_the_first_that_is_new_enough_is_taken(
    versions: dict[Path, int | None], expected: Path
) -> None:
    assert found(versions) == expected


def test_without_java_home_the_path_comes_first() -> None:
    assert found({HOME: 21, ON_PATH: 17}, environ={}) == ON_PATH


def test_no_java_at_all_says_how_to_get_one() -> None:
    with pytest.raises(JavaMissingError) as caught:
        found({}, environ={})

    for remedy in ("Java 17+", "JAVA_HOME", "pip install 'gnomon[broker]'"):
        assert remedy in str(caught.value)


def test_a_java_that_is_too_old_is_named() -> None:
    with pytest.raises(JavaMissingError, match=r"/path/java is Java 11"):
        found({ON_PATH: 11}, environ={})


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('openjdk version "25" 2025-09-16', 25),
        ('java version "1.8.0_401"', 8),
        ('openjdk version "21-ea" 2023-09-19', 21),
        ("no such thing", None),
    ],
)
def test_the_version_is_what_java_prints(tmp_path: Path, line: str, expected: int | None) -> None:
    java = script(
        tmp_path / "java", f"echo 'Picked up JAVA_TOOL_OPTIONS: -Xmx1g' >&2\necho '{line}' >&2"
    )

    assert java_version(java) == expected


def test_a_java_that_does_not_run_has_no_version(tmp_path: Path) -> None:
    assert java_version(tmp_path / "java") is None
    assert java_version(script(tmp_path / "broken", "exit 1")) is None
