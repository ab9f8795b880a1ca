"""Tests of where agents send to: ports, tokens, and the variables that are shown."""

import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gnomon.broker.probe import free_port
from gnomon.errors import ConfigurationError
from gnomon.up.addresses import (
    Addresses,
    gateway_token,
    require_free,
    url_of,
    write_gateway_variables,
)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


def test_a_port_that_is_taken_is_named_with_its_option(taken: int) -> None:
    with pytest.raises(ConfigurationError, match=rf"port {taken} is in use.*--gateway-port"):
        require_free([("--kafka-port", free_port()), ("--gateway-port", taken)])


def test_two_options_cannot_have_one_port_but_both_any() -> None:
    port = free_port()
    with pytest.raises(ConfigurationError, match="--a and --b both need"):
        require_free([("--a", port), ("--b", port)])
    require_free([("--a", 0), ("--b", 0)])


def test_there_are_not_more_ports() -> None:
    with pytest.raises(ConfigurationError, match=r"--workers-port .* 65536"):
        require_free([("--workers-port", 65_536)])


def test_a_token_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "gateway.token"
    token = gateway_token(path)

    assert len(token) >= 32
    assert gateway_token(path) == token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert gateway_token(tmp_path / "other") != token


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
def test_a_half_written_token_is_refused_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "gateway.token"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=str(path)):
        gateway_token(path)


def test_the_variables_file_is_read_by_a_shell_as_opentelemetry_reads_it(tmp_path: Path) -> None:
    """OpenTelemetry's specification: the values of headers are URL-encoded."""
    from opentelemetry.util.re import parse_env_headers  # noqa: PLC0415

    path = tmp_path / "gateway.env"
    write_gateway_variables(
        path,
        url="https://127.0.0.1:1",
        token="a_b-c",  # noqa: S106  of this test
        certificate=Path("/ca.pem"),
    )
    done = subprocess.run(  # noqa: S603  our own file
        ["/bin/sh", "-c", f'. {path}; echo "$OTEL_EXPORTER_OTLP_HEADERS"'],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert parse_env_headers(done.stdout.strip()) == {"authorization": "Bearer a_b-c"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_lines_say_what_to_set() -> None:
    plain = Addresses(kafka="127.0.0.1:9092", gateway=url_of(4318)).lines()
    secured = Addresses(
        kafka="127.0.0.1:9092",
        gateway=url_of(4318, secure=True),
        kafka_variables=Path("/d/agent.env"),
        gateway_variables=Path("/d/gateway.env"),
    ).lines()

    assert "export GNOMON_BROKERS=127.0.0.1:9092" in plain[0]
    assert "export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318" in plain[1]
    assert ". /d/agent.env" in secured[0]
    assert ". /d/gateway.env" in secured[1]
    assert "https://127.0.0.1:4318/v1/events" in secured[2]
