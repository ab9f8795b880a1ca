"""Tests of TLS: certificates are read at each connection, and what is wrong with one is said."""

import asyncio
import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.servers.tls import HOST, Certificates, tls_server

from gnomon.connection import KafkaSecurity
from gnomon.connection.refusals import refusal
from gnomon.connection.tls import RereadContext
from gnomon.errors import ConfigurationError


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


async def greeting(port: int, context: ssl.SSLContext, *, host: str = HOST) -> str:
    """Connect as aiokafka does, and read what the server says."""
    reader, writer = await asyncio.open_connection(HOST, port, ssl=context, server_hostname=host)
    try:
        return (await reader.readline()).decode().strip()
    finally:
        writer.close()


def security(certificates: Certificates, **more: str) -> KafkaSecurity:
    return KafkaSecurity(security_protocol="SSL", ssl_cafile=str(certificates.ca), **more)  # type: ignore[arg-type]


async def test_a_new_authority_is_taken_up_at_the_next_connection(
    certificates: Certificates,
) -> None:
    context = RereadContext(security(certificates))
    async with tls_server(certificates.issue("one")) as port:
        assert (await greeting(port, context)).startswith("ok")

    certificates.renew()

    async with tls_server(certificates.issue("two")) as port:
        assert (await greeting(port, context)).startswith("ok")


async def test_a_new_certificate_of_ours_is_taken_up_at_the_next_connection(
    certificates: Certificates, tmp_path: Path
) -> None:
    own = tmp_path / "own.pem"
    own.write_bytes(certificates.issue("before").read_bytes())
    context = RereadContext(security(certificates, ssl_certfile=str(own)))
    async with tls_server(certificates.issue("s"), clients_signed_by=certificates.ca) as port:
        first = await greeting(port, context)
        own.write_bytes(certificates.issue("after").read_bytes())
        second = await greeting(port, context)

    assert (first, second) == ("ok before", "ok after")


@pytest.mark.parametrize(
    ("hosts", "valid", "said"),
    [
        ((HOST,), timedelta(days=-1), "the certificate of the broker has expired"),
        (("192.0.2.1",), timedelta(days=1), "is for another address"),
    ],
)
async def test_a_certificate_that_is_wrong_is_named(
    certificates: Certificates, hosts: tuple[str, ...], valid: timedelta, said: str
) -> None:
    context = RereadContext(security(certificates))
    async with tls_server(certificates.issue("s", valid=valid, hosts=hosts)) as port:
        with pytest.raises(ssl.SSLError) as raised:
            await greeting(port, context)

    assert said in str(refusal(raised.value))


async def test_an_unknown_authority_is_named_with_the_setting(
    certificates: Certificates, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = Certificates(tmp_path / "other")
    async with tls_server(other.issue("s")) as port:
        with pytest.raises(ssl.SSLError) as raised:
            await greeting(port, RereadContext(security(certificates)))

    assert "unknown CA" in str(refusal(raised.value))
    assert "GNOMON_KAFKA_SSL_CAFILE" in str(refusal(raised.value))


async def test_the_host_name_is_not_checked_if_told_so(certificates: Certificates) -> None:
    lenient = KafkaSecurity(
        security_protocol="SSL", ssl_cafile=str(certificates.ca), ssl_check_hostname=False
    )
    async with tls_server(certificates.issue("s", hosts=("192.0.2.1",))) as port:
        assert (await greeting(port, RereadContext(lenient))).startswith("ok")


def test_a_file_that_cannot_be_used_is_named(certificates: Certificates, tmp_path: Path) -> None:
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    for name, path in (("CAFILE", text), ("CAFILE", tmp_path / "no"), ("CERTFILE", text)):
        given = {"ssl_cafile": str(certificates.ca), f"ssl_{name.lower()}": str(path)}
        with pytest.raises(ConfigurationError, match=f"^GNOMON_KAFKA_SSL_{name}: .*{path.name}"):
            RereadContext(KafkaSecurity(security_protocol="SSL", **given))  # type: ignore[arg-type]


async def test_while_files_are_replaced_the_last_good_ones_are_used(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    context = RereadContext(security(certificates))
    async with tls_server(certificates.issue("s")) as port:
        certificates.ca.unlink()
        assert (await greeting(port, context)).startswith("ok")

    (line,) = caplog.records
    assert "GNOMON_KAFKA_SSL_CAFILE" in line.__dict__["reason"]
