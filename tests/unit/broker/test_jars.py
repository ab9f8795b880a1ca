"""Tests of jars: pinned, checked, downloaded once, never left incomplete."""

import hashlib
import re
from pathlib import Path

import pytest

from gnomon.broker.failures import JarsUnavailableError, JarTamperedError
from gnomon.broker.jars import Jar, ensure_jars, locked_jars, maven_repository

GOOD = b"the jar as it was locked"


def jar(name: str, content: bytes = GOOD) -> Jar:
    return Jar(
        group="org.example",
        artifact=name,
        version="1.0",
        sha256=hashlib.sha256(content).hexdigest(),
    )


class Shelf:
    """A source that has the same bytes for every jar except the missing ones."""

    def __init__(self, content: bytes = GOOD, *, without: frozenset[str] = frozenset()) -> None:
        self.content, self.without = content, without
        self.fetched: list[str] = []

    def fetch(self, jar: Jar, *, into: Path) -> Path:
        if jar.artifact in self.without:
            raise ConnectionError("network is unreachable")
        self.fetched.append(jar.artifact)
        path = into / jar.name
        path.write_bytes(self.content)
        return path


def ensure(jars: list[Jar], repository: Path, source: Shelf, said: list[str]) -> list[Path]:
    return ensure_jars(jars, repository=repository, source=source, progress=said.append)


def test_the_lock_file_pins_kafka_and_a_checksum_for_each_jar() -> None:
    jars = locked_jars()

    names = {jar.artifact: jar for jar in jars}
    version = tuple(map(int, names["kafka_2.13"].version.split(".")))
    assert version >= (4, 1)
    assert not (4, 3) <= version <= (4, 4, 0), "these lose end markers (docs/transactions.md)"
    assert names["kafka-clients"].version == names["kafka_2.13"].version
    assert "log4j-slf4j-impl" in names, "without it Kafka logs nothing"
    assert all(re.fullmatch(r"[0-9a-f]{64}", jar.sha256) for jar in jars)
    assert len({jar.path for jar in jars}) == len(jars) > 40


def test_a_jar_is_where_maven_would_have_it() -> None:
    assert jar("thing").path == Path("org/example/thing/1.0/thing-1.0.jar")


def test_missing_jars_are_fetched_once_with_progress(tmp_path: Path) -> None:
    jars, source, said = [jar("a"), jar("b")], Shelf(), list[str]()

    first = ensure(jars, tmp_path, source, said)
    second = ensure(jars, tmp_path, source, said)

    assert first == second == [tmp_path / jar.path for jar in jars]
    assert [path.read_bytes() for path in first] == [GOOD, GOOD]
    assert sorted(source.fetched) == ["a", "b"]
    assert [line.split()[3] for line in said] == ["0/2", "1/2", "2/2"]


def test_a_jar_with_another_checksum_is_refused_and_not_kept(tmp_path: Path) -> None:
    wanted = jar("a")

    with pytest.raises(JarTamperedError, match=r"a-1\.0\.jar.*SHA-256") as caught:
        ensure([wanted], tmp_path, Shelf(b"something else"), [])

    assert hashlib.sha256(b"something else").hexdigest() in str(caught.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_broken_jar_in_the_repository_is_never_used(tmp_path: Path) -> None:
    wanted = jar("a")
    broken = tmp_path / wanted.path
    broken.parent.mkdir(parents=True)
    broken.write_bytes(GOOD[:5])

    (path,) = ensure([wanted], tmp_path, Shelf(), [])

    assert path.read_bytes() == GOOD


def test_without_a_network_the_missing_jars_are_named_and_how_to_prepare(tmp_path: Path) -> None:
    source = Shelf(without=frozenset({"b", "c"}))

    with pytest.raises(JarsUnavailableError) as caught:
        ensure([jar("a"), jar("b"), jar("c")], tmp_path, source, [])

    message = str(caught.value)
    assert "b-1.0.jar, c-1.0.jar" in message
    assert "a-1.0.jar" not in message
    assert "network is unreachable" in message
    assert "--download-only" in message
    assert str(tmp_path) in message
    assert (tmp_path / jar("a").path).is_file(), "what could be fetched is kept"


def test_a_repository_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")

    with pytest.raises(JarsUnavailableError, match=r"a-1\.0\.jar"):
        ensure([jar("a")], tmp_path / "file" / "repository", Shelf(), [])


def test_the_repository_is_the_users_unless_said_otherwise() -> None:
    assert maven_repository({"M2_REPO": "/elsewhere"}) == Path("/elsewhere")
    assert maven_repository({}) == Path.home() / ".m2" / "repository"
