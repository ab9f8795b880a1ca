"""Runs a PostgreSQL server for tests, if it is installed."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.support.bare import is_bare
from tests.support.polling import eventually_sync

from gnomon.broker.probe import free_port

PASSWORD = "unguessed-3f9c"  # noqa: S105  of a server that lives for one test run


def _binaries() -> Path | None:
    """Return the newest installed PostgreSQL."""
    if is_bare():
        return None
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[4]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def _as_whom() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    pytest.skip("PostgreSQL does not run as root, and there is no other user")


@contextmanager
def postgres() -> Iterator[str]:
    """A server of its own; its URL without the database's name. The test is skipped without PostgreSQL."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    home, port, whom = Path(tempfile.mkdtemp(prefix="gnomon-pg-")), free_port(), _as_whom()
    (home / "password").write_text(PASSWORD)
    if whom:
        os.chown(home, whom["user"], whom["group"])
        os.chown(home / "password", whom["user"], whom["group"])
    setup = ["-D", str(home / "data"), "-U", "gnomon", "-A", "scram-sha-256", "--no-sync"]
    subprocess.run(  # noqa: S603  the server's own tool
        [binaries / "initdb", *setup, f"--pwfile={home / 'password'}", "-E", "UTF8"],
        check=True,
        capture_output=True,
        cwd=home,
        **whom,
    )
    listen = ["-h", "127.0.0.1", "-p", str(port), "-k", str(home)]
    server = subprocess.Popen(  # noqa: S603  the server itself
        [binaries / "postgres", "-D", home / "data", *listen, "-c", "fsync=off"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=home,
        **whom,
    )
    url = f"postgresql://gnomon:{PASSWORD}@127.0.0.1:{port}"
    try:
        eventually_sync(lambda: _answers(url), what="PostgreSQL answers")
        yield url
    finally:
        server.send_signal(signal.SIGINT)  # SIGTERM waits for clients that a failed test left
        server.wait(60)
        shutil.rmtree(home)


def _answers(url: str) -> bool:
    try:
        psycopg.connect(f"{url}/postgres").close()
    except psycopg.OperationalError:
        return False
    return True


def new_database(server: str) -> str:
    """URL of a new, empty database of the server."""
    name = f"t{secrets.token_hex(4)}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return f"{server}/{name}"
