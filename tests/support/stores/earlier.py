"""Stores that earlier releases made."""

import base64
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import psycopg

KEY: Final = base64.b64encode(bytes(range(32))).decode()
"""The key of every store here."""

_FOLDER: Final = Path(__file__).parent


def make_store_of(release: str, url: str) -> None:
    """Make the store of a release at ``url``, where there is none."""
    script = (_FOLDER / f"release_{release.replace('.', '_')}.sql").read_text()
    if url.startswith("sqlite:///"):
        file = Path(url.removeprefix("sqlite:///"))
        file.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(file)) as connection:
            connection.executescript(script)
        return
    script = script.replace("X'", r"'\x").replace(" BLOB ", " BYTEA ")
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(script.encode())
