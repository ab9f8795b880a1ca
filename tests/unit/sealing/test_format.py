"""Tests of the payload format, and that a payload opens only unchanged and only for its own task."""

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.sealing import rfc9180
from tests.unit.vault.leaks import frames_of_gnomon, shows

from gnomon.errors import KeyUnavailableError, UnreadableError
from gnomon.sealing import OpeningKey, Payload, SealContext, SealingKey, key_id

# RFC 9180, appendix A.2.1: the recipient's and the ephemeral key pair, info and first encryption.
SECRET = bytes.fromhex("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb")
PUBLIC = bytes.fromhex("4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a")
EPHEMERAL = bytes.fromhex("f4ec9b33b792c372c1d2c2063507b684ef925b8c75a42dbcbf57d63ccd381600")
RFC_SEALED = bytes.fromhex(
    "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a"
    "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28"
)
RFC_INFO, RFC_PLAIN = b"Ode on a Grecian Urn", b"Beauty is truth, truth beauty"

# The same pair as OpenSSL writes it.
PEM = b"""-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VuBCIEIIBXmR7vjx8a8Y9KlJHRahzjM/aV1NuOONp1l1xEeOD7
-----END PRIVATE KEY-----
"""
PRIVATE_LINE = "MC4CAQAwBQYDK2VuBCIEIIBXmR7vjx8a8Y9KlJHRahzjM/aV1NuOONp1l1xEeOD7"
LINE = "MCowBQYDK2VuAyEAQxDul9iMwfCIpVdsd6sM9cOseX89lROcbIS1QpxZZio="
PUBLIC_PEM = f"-----BEGIN PUBLIC KEY-----\n{LINE}\n-----END PUBLIC KEY-----\n"
ED25519_LINE = "MCowBQYDK2VwAyEADQNqlVfE3I19IYIzPXCiO4AidW7FcEXchm6I7OsxgW0="
SMALL_ORDER_LINE = "MCowBQYDK2VuAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

HOME = SealContext(agent_id="agent-é", task_id="t-1", field="context")
PAYLOAD: Payload = {"note": "payroll", "size": 3}
# Made once with PyCryptodome's HPKE from the layout alone, with the RFC's keys.
GOLDEN = bytes.fromhex(
    "47530101c387f0b28a63ffea88521b72aa3d6e60"  # GS, version 1, suite 1; key id
    "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a"  # enc
    "f45a10b476edb9bfae27d9e56ef65ca4fb08f32d7821ff277ea3ff3b2ff5c851"
    "da0ecc75dda825c98ecd937d6189f45774fcf2c3045d195329c158c028dc75eb"
    "f874bd2d865cfaf903577dcfb186983d"
)

payloads = st.dictionaries(
    st.text(max_size=9),
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(max_size=40)
    | st.floats(0, 1),
)
places = st.builds(SealContext, agent_id=st.text(), task_id=st.text(), field=st.text())


def opening() -> OpeningKey:
    key = OpeningKey.parse(PEM)
    assert key is not None
    return key


def refusal(sealed: bytes, place: SealContext = HOME) -> str:
    with pytest.raises(UnreadableError) as refused:
        opening().open(sealed, place)
    return refused.value.reason


def info(header: bytes, *fields: bytes) -> bytes:
    prefixed = b"".join(len(field).to_bytes(4, "big") + field for field in fields)
    return b"gnomon sealed payload" + header + prefixed


def test_the_oracle_is_the_rfc() -> None:
    given_info = {"info": RFC_INFO, "associated": b"Count-0"}
    assert rfc9180.seal(PUBLIC, EPHEMERAL, RFC_PLAIN, **given_info) == RFC_SEALED
    assert rfc9180.unseal(SECRET, RFC_SEALED, **given_info) == RFC_PLAIN


def test_the_golden_payload_opens() -> None:
    assert opening().open(GOLDEN, HOME) == PAYLOAD
    assert key_id(GOLDEN) == opening().id == "c387f0b28a63ffea88521b72aa3d6e60"


@settings(max_examples=60, deadline=None)
@given(payload=payloads, place=places)
def test_what_is_sealed_is_the_layout_and_the_rfc(payload: Payload, place: SealContext) -> None:
    sealed = SealingKey.parse(LINE).seal(payload, place)
    named = hashlib.sha256(b"gnomon/sealing-key-id/v1" + PUBLIC).digest()[:16]
    assert sealed[:20] == b"GS\x01\x01" + named
    fields = (part.encode() for part in (place.agent_id, place.task_id, place.field))
    plain = rfc9180.unseal(SECRET, sealed[20:], info=info(sealed[:20], *fields))
    assert json.loads(plain) == payload
    assert len(plain) % 64 == 0
    assert len(plain) - len(plain.rstrip()) < 64


@settings(max_examples=60, deadline=None)
@given(payload=payloads, place=places, ephemeral=st.binary(min_size=32, max_size=32))
def test_what_the_rfc_seals_opens(payload: Payload, place: SealContext, ephemeral: bytes) -> None:
    header = GOLDEN[:20]
    fields = (part.encode() for part in (place.agent_id, place.task_id, place.field))
    plain = json.dumps(payload).encode()
    sealed = header + rfc9180.seal(PUBLIC, ephemeral, plain, info=info(header, *fields))
    assert opening().open(sealed, place) == payload


def test_every_flipped_bit_is_refused_for_the_right_reason() -> None:
    """Also the highest bit of the encapsulated key, which X25519 itself ignores."""
    for bit in range(8 * len(GOLDEN)):
        changed = bytearray(GOLDEN)
        changed[bit // 8] ^= 1 << bit % 8
        byte = bit // 8
        expected = "bad_header" if byte < 4 else "unknown_key" if byte < 20 else "tampered"
        assert refusal(bytes(changed)) == expected, f"bit {bit}"


def test_every_truncation_is_refused() -> None:
    for length in range(len(GOLDEN)):
        assert refusal(GOLDEN[:length]) == ("bad_header" if length < 68 else "tampered"), length


@given(junk=st.binary(max_size=200))
def test_no_junk_opens_and_none_raises_anything_else(junk: bytes) -> None:
    refusal(junk)
    refusal(GOLDEN[:4] + junk)
    refusal(GOLDEN[:20] + junk)
    refusal(GOLDEN + junk + b"\0")


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"agent_id": "agent-e"},
        {"task_id": "t-2"},
        {"task_id": ""},
        {"field": "outcome"},
        {"agent_id": "agent-", "task_id": "ét-1"},
        {"agent_id": "agent-ét", "task_id": "-1"},
        {"task_id": "t-1c", "field": "ontext"},
        {"task_id": "\ud800"},
    ],
    ids=str,
)
def test_a_payload_opens_nowhere_else(elsewhere: dict[str, str]) -> None:
    home = {"agent_id": "agent-é", "task_id": "t-1", "field": "context"}
    assert refusal(GOLDEN, SealContext(**{**home, **elsewhere})) == "tampered"


@pytest.mark.parametrize("plain", [b"", b"[]", b"{", b'{"a":[1]}', b'{"a":"\xff"}'], ids=str)
def test_what_is_no_flat_mapping_is_refused(plain: bytes) -> None:
    header = GOLDEN[:20]
    inside = info(header, "agent-é".encode(), b"t-1", b"context")
    assert refusal(header + rfc9180.seal(PUBLIC, EPHEMERAL, plain, info=inside)) == "tampered"


def test_another_key_is_named() -> None:
    other = OpeningKey.generate()
    sealed = other.public.seal(PAYLOAD, HOME)
    with pytest.raises(UnreadableError, match=f"unknown_key.*{other.id}.*{opening().id}"):
        opening().open(sealed, HOME)
    assert other.open(sealed, HOME) == PAYLOAD


def test_no_two_sealings_are_alike() -> None:
    key = SealingKey.parse(LINE)
    assert len({key.seal(PAYLOAD, HOME)[20:52] for _ in range(500)}) == 500


@pytest.mark.parametrize("text", [LINE, f" {LINE}\n", PUBLIC_PEM], ids=["line", "spaces", "pem"])
def test_a_public_key_is_read_as_openssl_writes_it(text: str) -> None:
    key = SealingKey.parse(text)
    assert (key.id, key.line()) == (opening().id, LINE)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "X25519 public key"),
        ("not a key", "X25519 public key"),
        (LINE[:-4], "X25519 public key"),
        ("A" * 44, "X25519 public key"),
        (ED25519_LINE, "X25519 public key"),
        (SMALL_ORDER_LINE, "small order"),
        (PEM.decode(), "a private key"),
        (PRIVATE_LINE, "X25519 public key"),
    ],
)
def test_what_is_no_public_key_is_refused(text: str, said: str) -> None:
    with pytest.raises(KeyUnavailableError, match=said) as refused:
        SealingKey.parse(text)
    assert PRIVATE_LINE not in frames_of_gnomon(refused.value)


def test_a_private_key_is_written_as_openssl_does() -> None:
    assert opening().pem() == PEM
    assert OpeningKey.parse(b"nonsense") is None
    assert OpeningKey.parse(PUBLIC_PEM.encode()) is None


def test_a_private_key_prints_only_its_id() -> None:
    assert repr(opening()) == "OpeningKey(c387f0b28a63ffea88521b72aa3d6e60)"


def test_a_refusal_shows_nothing_readable() -> None:
    with pytest.raises(UnreadableError) as refused:
        opening().open(GOLDEN, SealContext(agent_id="a", task_id="t", field="context"))
    shown = frames_of_gnomon(refused.value)
    assert not shows(shown, SECRET)
    assert "payroll" not in shown
