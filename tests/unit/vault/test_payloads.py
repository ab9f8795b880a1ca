"""Tests of payloads that an agent sealed inside a decision, and of the key file that opens them."""

import stat
import subprocess
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.decisions import a_decision, decisions
from tests.unit.vault.leaks import frames_of_gnomon, shows

from gnomon.errors import KeyUnavailableError, UnreadableError
from gnomon.events import Comparison
from gnomon.sealing import OpeningKey, Payload, SealContext
from gnomon.vault import create_sealing_key, load_sealing_key, open_payloads, sealed_for

FIRST, SECOND = OpeningKey.generate(), OpeningKey.generate()
PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8
payloads = st.dictionaries(st.text(max_size=9), st.none() | st.booleans() | st.text(max_size=9))


def sealed(
    decision: Comparison,
    *,
    context: Payload | None = None,
    outcome: Payload | None = None,
    agent_id: str | None = None,
) -> Comparison:
    """Seal the parts of ``decision`` as a client does: the context for one key, the outcome for another."""

    def place(field: str) -> SealContext:
        agent = decision.agent_id if agent_id is None else agent_id
        return SealContext(agent_id=agent, task_id=decision.task_id, field=field)

    return msgspec.structs.replace(
        decision,
        sealed_context=None if context is None else FIRST.public.seal(context, place("context")),
        outcome=msgspec.structs.replace(
            decision.outcome,
            sealed_outcome=None
            if outcome is None
            else SECOND.public.seal(outcome, place("outcome")),
        ),
    )


@settings(max_examples=50, deadline=None)
@given(decision=decisions, context=st.none() | payloads, outcome=st.none() | payloads)
def test_sealed_parts_come_to_stand_in_their_readable_places(
    decision: Comparison, context: Payload | None, outcome: Payload | None
) -> None:
    opened = open_payloads(sealed(decision, context=context, outcome=outcome), [FIRST, SECOND])
    assert opened.context == {**decision.context, **(context or {})}
    assert opened.outcome.reported == (outcome or {})
    assert sealed_for(opened) == {}
    rest = msgspec.structs.replace(
        opened,
        context=decision.context,
        outcome=msgspec.structs.replace(opened.outcome, reported={}),
    )
    assert rest == decision


@pytest.fixture
def decision() -> Comparison:
    return sealed(a_decision(1), context={"a": 1}, outcome={"b": 2})


def test_it_is_said_which_keys_open_it(decision: Comparison) -> None:
    assert sealed_for(decision) == {"context": FIRST.id, "outcome": SECOND.id}
    assert sealed_for(msgspec.structs.replace(decision, sealed_context=b"x")) == {
        "context": "unknown",
        "outcome": SECOND.id,
    }


def test_without_the_right_key_the_one_needed_is_named(decision: Comparison) -> None:
    with pytest.raises(UnreadableError, match=f"the outcome is sealed for key {SECOND.id}"):
        open_payloads(decision, [FIRST])


def test_a_payload_of_another_agent_is_refused(decision: Comparison) -> None:
    with pytest.raises(UnreadableError, match="tampered"):
        open_payloads(sealed(decision, context={"a": 1}, agent_id="another"), [FIRST])


def test_parts_exchanged_are_refused(decision: Comparison) -> None:
    outcome = msgspec.structs.replace(decision.outcome, sealed_outcome=decision.sealed_context)
    with pytest.raises(UnreadableError, match="tampered"):
        open_payloads(msgspec.structs.replace(decision, outcome=outcome), [FIRST, SECOND])


def test_a_made_key_is_private_and_what_openssl_reads(tmp_path: Path) -> None:
    key = create_sealing_key(tmp_path / "sealing.pem")
    assert stat.S_IMODE((tmp_path / "sealing.pem").stat().st_mode) == 0o600
    assert load_sealing_key(tmp_path / "sealing.pem").id == key.id
    try:
        said = subprocess.run(  # noqa: S603  a known tool
            ["openssl", "pkey", "-in", tmp_path / "sealing.pem", "-pubout"],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except FileNotFoundError:
        pytest.skip("no openssl here")
    assert said.splitlines()[1] == key.public.line()


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    create_sealing_key(tmp_path / "k")
    before = (tmp_path / "k").read_bytes()
    with pytest.raises(KeyUnavailableError, match="never overwritten"):
        create_sealing_key(tmp_path / "k")
    assert (tmp_path / "k").read_bytes() == before


def test_a_key_others_may_read_is_refused(tmp_path: Path) -> None:
    create_sealing_key(tmp_path / "k")
    (tmp_path / "k").chmod(0o644)
    with pytest.raises(KeyUnavailableError, match="run chmod 600") as refused:
        load_sealing_key(tmp_path / "k")
    secret = (tmp_path / "k").read_bytes().splitlines()[1]
    assert not shows(frames_of_gnomon(refused.value), secret)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        FIRST.pem()[:-40],
        f"{FIRST.public.line()}\n".encode(),
        Ed25519PrivateKey.generate().private_bytes(PEM, PKCS8, serialization.NoEncryption()),
        X25519PrivateKey.generate().private_bytes(
            PEM, PKCS8, serialization.BestAvailableEncryption(b"word")
        ),
    ],
    ids=["empty", "nonsense", "cut", "public", "ed25519", "encrypted"],
)
def test_what_is_no_sealing_key_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "k").write_bytes(content)
    (tmp_path / "k").chmod(0o600)
    with pytest.raises(KeyUnavailableError, match="is not a sealing key"):
        load_sealing_key(tmp_path / "k")


def test_a_missing_key_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailableError, match="gnomon keys init-sealing"):
        load_sealing_key(tmp_path / "k")
