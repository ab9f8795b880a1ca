"""A server on this machine that only does TLS handshakes, and certificates for it."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gnomon.broker.certificates import Authority

HOST = "127.0.0.1"
DAY = timedelta(days=1)


def now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251  certificates are checked against the real clock


class Certificates:
    """An authority with its ``ca.pem``, and what it signs.

    Args:
        folder: Where the files go.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = folder / "ca.pem"
        self.renew()

    def renew(self) -> None:
        """Become another authority, in the same file."""
        self.authority = Authority.make("tests", now=now())
        self.ca.write_bytes(self.authority.pem)

    def issue(self, name: str, *, valid: timedelta = DAY, hosts: tuple[str, ...] = (HOST,)) -> Path:
        """Sign a certificate, in a file with its key."""
        made = self.authority.issue(name, now=now(), valid=valid, hosts=hosts)
        path = self.folder / f"{name}.pem"
        path.write_bytes(made.key + made.certificate)
        return path


@contextlib.asynccontextmanager
async def tls_server(
    certificate: Path, *, clients_signed_by: Path | None = None
) -> AsyncIterator[int]:
    """Serve handshakes; yield the port. Each client that gets in is sent ``ok`` and its name."""

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peercert") or {}
        names = [value for ((_key, value),) in peer.get("subject", ())]
        writer.write(f"ok {' '.join(names)}\n".encode())
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    if clients_signed_by is not None:
        context.load_verify_locations(clients_signed_by)
        context.verify_mode = ssl.CERT_REQUIRED
    server = await asyncio.start_server(greet, HOST, 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
