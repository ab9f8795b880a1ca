"""Tests of the key-encryption key: its sources, and that nothing replaces a missing key."""

import base64
import dataclasses
import os
import stat
from pathlib import Path

import pytest
from tests.unit.vault.leaks import frames_of_gnomon, shows

from gnomon.errors import KeyUnavailableError, UnreadableError
from gnomon.settings import Settings
from gnomon.vault import KeyEncryptionKey, KeyRow, create_key_file, load_key
from gnomon.vault.keys import unwrap_data_key

SECRET = bytes(range(64, 96))
TEXT = base64.b64encode(SECRET).decode()

# Made once with PyCryptodome and the standard library's HMAC from the layout alone.
ROW = KeyRow(
    kid="25a752617257116952bff66d9f9514d9",
    scope="default",
    wrapped=bytes.fromhex(
        "b0b1b2b3b4b5b6b7b8b9babb03018286c54fed9e33e72df3e1fb42c4ae19963b"
        "5000c088ebdf7a2095adec8f4aa725188785df2fdca47ca512520a10"
    ),
    commitment=bytes.fromhex("25a752617257116952bff66d9f9514d9381f280bb7f0a8b8d7a22825d1a7b187"),
    kek_id="fd1fe7ab1ca703a2d7cac77d0ad90316",
    state="active",
    created_at_ms=1_760_000_000_000,
)


def settings(tmp_path: Path, *, key: str = "", key_file: Path | None = None) -> Settings:
    return Settings(data_dir=str(tmp_path), key=key, key_file=str(key_file or ""))


def key_file(tmp_path: Path, content: bytes, *, mode: int = 0o600) -> Path:
    path = tmp_path / "given.key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    create_key_file(tmp_path / "kek.key")
    assert load_key(settings(tmp_path, key=TEXT)).id == "fd1fe7ab1ca703a2d7cac77d0ad90316"


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
def test_a_file_gives_the_same_key_as_the_environment(tmp_path: Path, ending: bytes) -> None:
    path = key_file(tmp_path, TEXT.encode() + ending)
    assert load_key(settings(tmp_path, key_file=path)).id == "fd1fe7ab1ca703a2d7cac77d0ad90316"


def test_no_key_says_how_to_make_one_and_makes_none(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailableError, match=r"gnomon keys init$"):
        load_key(settings(tmp_path))
    assert list(tmp_path.iterdir()) == []


MALFORMED = {
    "empty": b"",
    "blank": b"\n",
    "one character short": TEXT[:-2].encode(),
    "16 bytes": base64.b64encode(SECRET[:16]),
    "33 bytes": base64.b64encode(SECRET + b"!"),
    "raw": SECRET,
    "two keys": f"{TEXT}\n{TEXT}\n".encode(),
    "url-safe": base64.urlsafe_b64encode(b"\xfb\xff" * 16),
    "hex": SECRET.hex().encode(),
    "not ASCII": TEXT.encode()[:-1] + b"\xe9",
    "very long": b"A" * 100_000,
}


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_file_is_refused_kept_and_not_shown(tmp_path: Path, content: bytes) -> None:
    path = key_file(tmp_path, content)
    with pytest.raises(KeyUnavailableError, match="not a key file") as refused:
        load_key(settings(tmp_path, key_file=path))
    assert path.read_bytes() == content
    if len(content.strip()) > 8:
        assert not shows(frames_of_gnomon(refused.value), content.strip())
        assert content.strip().decode("latin-1") not in frames_of_gnomon(refused.value)


@pytest.mark.parametrize("text", ["x", TEXT[:-2], TEXT * 2, "é" * 44], ids=lambda t: str(len(t)))
def test_a_malformed_variable_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    create_key_file(tmp_path / "kek.key")  # must not be fallen back to
    with pytest.raises(KeyUnavailableError, match=r"^GNOMON_KEY is not the base64 of 32 bytes$"):
        load_key(settings(tmp_path, key=text))


@pytest.mark.parametrize("mode", [0o604, 0o620, 0o660, 0o602, 0o610, 0o644, 0o666])
def test_a_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = key_file(tmp_path, TEXT.encode(), mode=mode)
    with pytest.raises(KeyUnavailableError, match="chmod 600") as refused:
        load_key(settings(tmp_path, key_file=path))
    assert not shows(frames_of_gnomon(refused.value), SECRET)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o440, 0o640])
def test_a_file_of_its_owner_is_taken(tmp_path: Path, mode: int) -> None:
    load_key(settings(tmp_path, key_file=key_file(tmp_path, TEXT.encode(), mode=mode)))


NOBODYS = 54_321
"""A user and a group that this process is not in."""


@pytest.mark.parametrize(
    ("owner", "group", "mode", "taken"),
    [
        (0, NOBODYS, 0o440, True),
        (NOBODYS, 0, 0o440, True),
        (NOBODYS, 0, 0o460, False),
        (NOBODYS, NOBODYS, 0o440, False),
        (NOBODYS, 0, 0o444, False),
    ],
)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_for_a_group_is_taken_if_owner_or_group_is_ours(
    tmp_path: Path, owner: int, group: int, mode: int, *, taken: bool
) -> None:
    """Kubernetes mounts a secret with ``fsGroup`` as owner root, that group, mode 0440."""
    path = key_file(tmp_path, TEXT.encode(), mode=mode)
    os.chown(path, owner, group)

    if taken:
        load_key(settings(tmp_path, key_file=path))
        return
    with pytest.raises(KeyUnavailableError, match=rf"has mode {mode:04o}") as refused:
        load_key(settings(tmp_path, key_file=path))
    assert not shows(frames_of_gnomon(refused.value), SECRET)


def test_a_directory_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailableError, match="cannot read"):
        load_key(settings(tmp_path, key_file=tmp_path))


def test_a_made_file_is_private_random_and_loads(tmp_path: Path) -> None:
    paths = [tmp_path / "new" / name for name in ("a.key", "b.key")]
    made = [create_key_file(path) for path in paths]
    assert [stat.S_IMODE(path.stat().st_mode) for path in paths] == [0o600, 0o600]
    assert [load_key(settings(tmp_path, key_file=p)).id for p in paths] == [k.id for k in made]
    assert made[0].id != made[1].id
    assert [len(base64.b64decode(path.read_bytes())) for path in paths] == [32, 32]


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    path = key_file(tmp_path, b"malformed")
    with pytest.raises(KeyUnavailableError, match="never overwritten"):
        create_key_file(path)
    assert path.read_bytes() == b"malformed"


def test_a_link_to_nowhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyUnavailableError):
        create_key_file(tmp_path / "link")
    assert not (tmp_path / "elsewhere").exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KeyUnavailableError, match="cannot write"):
        create_key_file(tmp_path / "file" / "kek.key")


def test_the_golden_row_unwraps_to_its_key() -> None:
    assert unwrap_data_key(KeyEncryptionKey(SECRET), ROW).commitment == ROW.commitment


def test_the_golden_row_is_what_is_written() -> None:
    given = iter([bytes(range(32)), bytes(range(0xB0, 0xBC))])
    key, row = KeyEncryptionKey(SECRET).new_key(
        scope="default", created_at_ms=1_760_000_000_000, random=lambda _: next(given)
    )
    assert row == dataclasses.replace(ROW, made_under=ROW.kek_id)
    assert key.id == ROW.commitment[:16]


def flipped(value: bytes, bit: int) -> bytes:
    return bytes(b ^ (1 << bit % 8 if i == bit // 8 else 0) for i, b in enumerate(value))


@pytest.mark.parametrize(
    "changed",
    [
        *({"wrapped": flipped(ROW.wrapped, bit)} for bit in range(0, 480, 7)),
        *({"wrapped": ROW.wrapped[:length]} for length in (0, 5, 12, 28, 59)),
        {"wrapped": ROW.wrapped + b"\0"},
        *({"commitment": flipped(ROW.commitment, bit)} for bit in (0, 130, 255)),
        {"commitment": b""},
        {"kid": "25a752617257116952bff66d9f9514d8"},
        {"kid": ""},
        {"scope": "team-b"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_changed_row_is_refused(changed: dict[str, object]) -> None:
    row = dataclasses.replace(ROW, **changed)  # type: ignore[arg-type]
    with pytest.raises(UnreadableError, match="tampered") as refused:
        unwrap_data_key(KeyEncryptionKey(SECRET), row)
    shown = frames_of_gnomon(refused.value)
    assert not shows(shown, SECRET)
    assert not shows(shown, bytes(range(32)))


def test_a_row_of_another_key_is_unknown_whatever_its_label_says() -> None:
    other = KeyEncryptionKey(bytes(32))
    with pytest.raises(UnreadableError, match="unknown_key"):
        unwrap_data_key(other, ROW)
    with pytest.raises(UnreadableError, match="tampered"):
        unwrap_data_key(other, dataclasses.replace(ROW, kek_id=other.id))


def test_nothing_shows_the_key() -> None:
    key = KeyEncryptionKey(SECRET)
    _, row = key.new_key(
        scope="default", created_at_ms=0, random=lambda n: bytes(range(n)) if n == 32 else bytes(n)
    )
    assert repr(key) == "KeyEncryptionKey(fd1fe7ab1ca703a2d7cac77d0ad90316)"
    assert not shows(repr(row), bytes(range(32)))
    assert not shows(repr(Settings(key=TEXT)), SECRET)
