"""Files for ``gnomon verdict``, and what it says of them."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.unit.verdict.build import comparison

from gnomon import codec
from gnomon.cli import main
from gnomon.verdict import Decided

DRILLS = ("isolation", "rollback", "alert")


def written(path: Path, rows: Sequence[Decided]) -> Path:
    path.write_bytes(b"".join(codec.encode(comparison(row)) + b"\n" for row in rows))
    return path


def held(path: Path, at_ms: int, *, names: Sequence[str] = DRILLS) -> Path:
    lines = [json.dumps({"drill": name, "at_ms": at_ms, "passed": True}) for name in names]
    path.write_text("\n".join(lines) + "\n")
    return path


def shuffle(rows: list[Decided]) -> None:
    random.Random(1).shuffle(rows)  # noqa: S311  an order, not a secret


def judged(path: Path, *further: str, status: int = 3) -> dict[str, Any]:
    out = path.with_suffix(".out.json")
    assert main(["verdict", "--comparisons", str(path), "--json", str(out), *further]) == status
    read: dict[str, Any] = json.loads(out.read_bytes())
    return read
