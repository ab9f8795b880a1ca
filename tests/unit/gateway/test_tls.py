"""Tests of serving over TLS: only who trusts the authority connects; a wrong file is named."""

import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from tests.unit.gateway.support import CONFIG, Kept

from gnomon.broker.certificates import Authority
from gnomon.errors import ConfigurationError
from gnomon.gateway.server import GatewayServer


async def test_it_serves_with_its_certificate_and_nothing_without_tls(tmp_path: Path) -> None:
    now = datetime.now(UTC)  # noqa: TID251  of certificates
    authority = Authority.make("test", now=now)
    made = authority.issue("node", now=now, valid=timedelta(days=1), hosts=("127.0.0.1",))
    file = tmp_path / "node.pem"
    file.write_bytes(made.key + made.certificate)
    trusting = ssl.create_default_context(cadata=authority.pem.decode())
    server = GatewayServer(Kept(), replace(CONFIG, certfile=str(file)))
    await server.start()
    try:
        async with aiohttp.ClientSession() as http:
            address = f"127.0.0.1:{server.port}/livez"
            async with http.get(f"https://{address}", ssl=trusting) as answer:
                assert answer.status == 200
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await http.get(f"https://{address}")
            with pytest.raises(aiohttp.ClientError):
                await http.get(f"http://{address}")
    finally:
        await server.stop()


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_a_file_that_is_no_certificate_is_named(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "node.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigurationError, match=r"--certfile .*node\.pem"):
        await GatewayServer(Kept(), replace(CONFIG, certfile=str(file))).start()
