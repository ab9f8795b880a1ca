"""A client with a public key sends sealed payloads or none."""

import logging
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.polling import eventually_sync

from gnomon import Client, codec
from gnomon.client.config import ClientConfig, arguments_from_env
from gnomon.client.delivery.identity import producer_of, splice
from gnomon.client.delivery.sealing import Sealer
from gnomon.client.records import Record
from gnomon.events import ContextValue, TaskCancelled, TaskEvent, TaskFinished, TaskStarted
from gnomon.sealing import OpeningKey, SealContext, SealingKey

MARKER = "payroll-of-the-board"
KEY = OpeningKey.generate()
LINE = KEY.public.line()

payloads: st.SearchStrategy[dict[str, ContextValue]] = st.dictionaries(
    st.text(max_size=9),
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=40),
)


def started(context: dict[str, ContextValue], *, task_id: str = "t-1") -> TaskStarted:
    return TaskStarted(
        agent_id="äda", task_id=task_id, task_type="x", started_at_ms=5, context=context
    )


def finished(context: dict[str, ContextValue], outcome: dict[str, ContextValue]) -> TaskFinished:
    return TaskFinished(
        agent_id="äda",
        task_id="t-1",
        task_type="x",
        started_at_ms=5,
        finished_at_ms=6,
        duration_s=0.1,
        succeeded=True,
        error_type="context",
        context=context,
        outcome=outcome,
    )


def sealed_by(sealer: Sealer, *events: TaskEvent) -> list[bytes]:
    records = sealer.seal([Record(b"k", codec.encode(event)) for event in events])
    assert [record.key for record in records] == [b"k"] * len(events)
    return [record.value for record in records]


@settings(deadline=None)
@given(context=payloads, outcome=payloads)
def test_sealed_payloads_open_and_the_rest_is_unchanged(
    context: dict[str, ContextValue], outcome: dict[str, ContextValue]
) -> None:
    given_event = finished(context, outcome)
    (value,) = sealed_by(Sealer(LINE), given_event)
    event = codec.decode_task_event(value)
    assert isinstance(event, TaskFinished)
    for field, said, sealed in (
        ("context", context, event.sealed_context),
        ("outcome", outcome, event.sealed_outcome),
    ):
        place = SealContext(agent_id="äda", task_id="t-1", field=field)
        assert (KEY.open(sealed, place) if sealed else {}) == said
    readable = msgspec.structs.replace(event, sealed_context=None, sealed_outcome=None)
    assert readable == msgspec.structs.replace(given_event, context={}, outcome={})


def test_no_payload_is_readable() -> None:
    start, end = sealed_by(
        Sealer(LINE), started({MARKER: "x"}), finished({"a": MARKER}, {"b": MARKER})
    )
    assert MARKER.encode() not in start + end
    assert b'"sealed_context":' in start
    assert b'"sealed_outcome":' in end


def test_an_event_without_payloads_stays_as_it_is() -> None:
    events = (started({}), TaskCancelled(agent_id="a", task_id="t", cancelled_at_ms=9))
    sealer = Sealer("no key at all")
    assert sealed_by(sealer, *events) == [codec.encode(event) for event in events]
    assert sealer.dropped == 0


def test_an_identity_that_is_there_stays_where_it_is_found() -> None:
    value = splice(codec.encode(started({"a": 1})), producer_id="p7", seq=3)
    (record,) = Sealer(LINE).seal([Record(b"k", value)])
    assert producer_of(record.value) == "p7"


@pytest.mark.parametrize(
    "written",
    [f"{LINE}\n", f"-----BEGIN PUBLIC KEY-----\n{LINE}\n-----END"],
    ids=["one line", "PEM"],
)
def test_the_key_may_be_in_a_file(
    written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path is resolved when the client is made."""
    (tmp_path / "seal.pub").write_text(written)
    monkeypatch.chdir(tmp_path)
    config = ClientConfig(seal_to="seal.pub")
    monkeypatch.chdir("/")
    sealer = Sealer(config.seal_to or "")
    (value,) = sealed_by(sealer, started({"a": 1}))
    assert b'"sealed_context":' in value
    assert sealer.dropped == 0


def fails_closed(sealer: Sealer, caplog: pytest.LogCaptureFixture) -> str:
    """Check that two events lose their three payloads and nothing else, with one log line."""
    start, end = sealed_by(sealer, started({MARKER: 1}), finished({"a": MARKER}, {"b": MARKER}))
    assert start == codec.encode(started({}))
    assert end == codec.encode(finished({}, {}))
    assert sealer.dropped == 3
    (record,) = caplog.records
    assert record.name == "gnomon.client"
    assert record.levelno == logging.WARNING
    assert "never sent in clear" in record.message
    return record.message


def test_without_cryptography_payloads_are_dropped(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "gnomon.sealing")
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.hpke", None)
    assert "pip install 'gnomon[sealed]'" in fails_closed(Sealer(LINE), caplog)


@pytest.mark.parametrize(
    ("seal_to", "said"),
    [
        ("", "neither a public key nor a readable file"),
        ("/nowhere/seal.pub", "No such file or directory"),
        ("\0", "no path"),
        (LINE[:-8], "expected an X25519 public key"),
        (KEY.pem().decode(), "got a private key"),
        ("".join(KEY.pem().decode().splitlines()[1:2]), "neither a public key"),
    ],
    ids=["empty", "missing", "nul", "cut", "private", "private line"],
)
def test_with_no_usable_key_payloads_are_dropped(
    seal_to: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    line = fails_closed(Sealer(seal_to), caplog)
    assert said in line
    assert len(seal_to) < 2 or seal_to[-20:] not in line


def test_a_failure_of_the_cipher_drops_the_payload(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealer = Sealer(LINE)
    sealer.prepare()

    def broken(*_: object) -> bytes:
        raise MemoryError(MARKER)

    monkeypatch.setattr(SealingKey, "seal", broken)
    line = fails_closed(sealer, caplog)
    assert "MemoryError" in line
    assert MARKER not in line


@pytest.mark.parametrize(("length", "dropped"), [(48_000, 0), (48_400, 0), (49_200, 1)])
def test_a_payload_too_large_once_sealed_is_dropped(length: int, dropped: int) -> None:
    """An event of at most 65,536 bytes, 56 of them for its identity; sealed bytes grow by a third."""
    sealer = Sealer(LINE)
    (value,) = sealed_by(sealer, started({"text": "x" * length}))
    assert sealer.dropped == dropped
    assert len(value) <= 65_536 - 56
    assert (b'"sealed_context":' in value) == (not dropped)
    assert codec.decode_task_event(value) == started({}) or not dropped


def test_bytes_that_are_no_event_are_not_sent() -> None:
    sealer = Sealer(LINE)
    (record,) = sealer.seal([Record(b"k", b'{"context":{"a":"payroll')])
    assert (record.value, sealer.dropped) == (b"{}", 1)


def test_importing_sealing_imports_no_cryptography() -> None:
    code = (
        "import sys; from gnomon.client.delivery.sealing import Sealer; Sealer('x');"
        " print('cryptography' in sys.modules)"
    )
    done = subprocess.run(  # noqa: S603  this interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    ("environ", "seal_to"),
    [({}, None), ({"GNOMON_SEAL_TO": LINE}, LINE), ({"GNOMON_SEAL_TO": ""}, "")],
    ids=["unset", "set", "empty"],
)
def test_the_variable_sets_the_key_and_empty_is_not_unset(
    environ: dict[str, str], seal_to: str | None
) -> None:
    """A shell may set an empty variable: then nothing may be sent in clear."""
    given_there = arguments_from_env({"GNOMON_BROKERS": "127.0.0.1:9", **environ})
    assert given_there.seal_to == seal_to


def test_a_key_of_the_wrong_type_makes_a_client_that_does_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = Client("127.0.0.1:9", seal_to=KEY.pem())  # type: ignore[arg-type]
    assert not client.enabled
    assert "seal_to must be a string" in caplog.text
    assert KEY.pem().decode().splitlines()[1] not in caplog.text


def test_a_client_counts_what_it_could_not_seal() -> None:
    client = Client("127.0.0.1:9", agent_id="a", seal_to="", exit_timeout_s=0.0)
    with client.task("x", context={"a": 1}):
        pass
    eventually_sync(lambda: client.stats().unsealed == 2, what="a start and an end without context")
    client.close()
