"""Ports of this machine, and whether something answers there."""

import random
import socket
import urllib.error
import urllib.request

FIRST, LAST = 20_000, 32_000
"""Below those a kernel gives to outgoing connections: one of these stays free until it is used."""


def free_ports(count: int) -> int:
    """The first of ``count`` consecutive ports nobody listens on."""
    while True:
        first = random.randrange(FIRST, LAST - count)
        if all(map(_is_free, range(first, first + count))):
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def answers(url: str) -> bool:
    """Whether ``url`` is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=2.0) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
