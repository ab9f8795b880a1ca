"""Finds free ports, and checks whether a URL answers."""

import random
import socket
import urllib.error
import urllib.request

FIRST, LAST = 20_000, 32_000
"""Below the range of ports of outgoing connections, so that a free port stays free until it is used."""


def free_ports(count: int) -> int:
    """Return the first of ``count`` consecutive free ports."""
    while True:
        first = random.randrange(FIRST, LAST - count)
        if all(map(_is_free, range(first, first + count))):
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def answers(url: str) -> bool:
    """Return whether ``url`` answers with status 200."""
    try:
        with urllib.request.urlopen(url, timeout=2.0) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
