"""Reports of drills for the tests of the verdict's report."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from tests.unit.verdict.report.detailed import T0

from gnomon.drill.report import Round, compare, round_of

NOW_MS = T0 + 20 * 86_400_000
DRILLS: list[dict[str, Any]] = [
    {"drill": "rollback", "at_ms": NOW_MS - 40 * 86_400_000, "passed": True, "longest_s": 9.0},
    {"drill": "rollback", "at_ms": NOW_MS - 3 * 86_400_000, "passed": True, "longest_s": 1.25},
    {"drill": "alert", "at_ms": NOW_MS - 12 * 3_600_000, "passed": False},
]


def rounds(extra_ms: float) -> list[Round]:
    rng = np.random.default_rng(3)
    return [round_of(list(rng.normal(12, 1, 80) + extra_ms), errors=0) for _ in range(5)]


def write_drills(path: Path) -> None:
    """Write ``DRILLS`` and a drill of isolation that failed."""
    compared = {phase: compare(rounds(0), rounds(2)) for phase in ("up", "killed")}
    isolation = {
        "drill": "isolation", "at_ms": NOW_MS, "passed": False,
        "compared": {
            phase: {
                name: {"without_ms": q.without_ms, "with_ms": q.with_ms, "ratio": q.ratio, "limit": q.limit}
                for name, q in by.items()
            }
            for phase, by in compared.items()
        },
    }  # fmt: skip
    path.write_text(json.dumps([*DRILLS, isolation]))
