"""Writes a file and reads it."""

from collections.abc import Sequence
from pathlib import Path

from gnomon.replay.source import Columns, Door, Export, read_export

HEADER = ("run_id", "agent_id", "task_type", "started_at", "finished_at", "success")
GOOD = ("r1", "a", "fix", "2026-03-02T08:00:00Z", "2026-03-02T08:01:00Z", "true")
NOW_MS = 1_780_000_000_000  # 2026-05-28
CASES = Path(__file__).parent / "cases"


def csv_of(*rows: Sequence[str], header: Sequence[str] = HEADER) -> str:
    return "".join(",".join(row) + "\n" for row in (header, *rows))


def read(folder: Path, text: str, columns: Columns | None = None, name: str = "runs.csv") -> Export:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_export(path, columns or Columns(), door=Door(now_ms=NOW_MS))


def good_but(**changed: str) -> tuple[str, ...]:
    return tuple({**dict(zip(HEADER, GOOD, strict=True)), **changed}.values())
