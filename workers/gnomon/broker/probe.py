"""Finds free ports on this machine, and checks whether a Kafka broker answers on one."""

import contextlib
import secrets
import socket
import ssl
import struct

HOST = "127.0.0.1"
_FREE_PORTS = range(20_000, 32_000)
"""Below the range of ports of outgoing connections. A client that tries to reach a stopped broker
could otherwise be given the broker's own port as its local port, and occupy it; and a port chosen
for a process that is yet to start could be given away until it listens."""
_METADATA = struct.pack(">hhihi", 3, 1, 1, -1, 0)  # api, version, correlation, client, topics


def port_is_free(port: int) -> bool:
    """Return whether a server could listen on ``port`` of the loopback address."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a port on which no program listens.

    Raises:
        OSError: No free port was found.
    """
    (port,) = free_ports(1)
    return port


def free_ports(count: int) -> list[int]:
    """Return ``count`` different ports on which no program listens.

    Raises:
        OSError: Not so many free ports were found.
    """
    found: set[int] = set()
    for _ in range(200 * count):
        port = _FREE_PORTS[secrets.randbelow(len(_FREE_PORTS))]
        if port_is_free(port):
            found.add(port)
        if len(found) == count:
            return list(found)
    raise OSError(f"no {count} free ports on {HOST} from {_FREE_PORTS.start} to {_FREE_PORTS.stop}")


def answers_metadata(
    port: int, *, context: ssl.SSLContext | None = None, timeout_s: float = 2.0
) -> bool:
    """Return whether a broker on ``port`` answers a metadata request and lists a live broker.

    Args:
        port: Where it listens.
        context: For a port that speaks TLS.
        timeout_s: Longest wait for each step.
    """
    try:
        with contextlib.ExitStack() as open_until:
            connection = socket.create_connection((HOST, port), timeout=timeout_s)
            open_until.enter_context(connection)
            if context is not None:
                connection = context.wrap_socket(connection, server_hostname=HOST)
                open_until.enter_context(connection)
            connection.sendall(struct.pack(">i", len(_METADATA)) + _METADATA)
            answer = connection.makefile("rb")
            (size,) = struct.unpack(">i", answer.read(4))
            _correlation, brokers = struct.unpack(">ii", answer.read(size)[:8])
    except (OSError, struct.error):
        return False
    return bool(brokers > 0)
