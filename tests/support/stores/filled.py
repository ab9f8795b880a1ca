"""Stores full of numbers for the dashboard: tasks, predictions, verdicts, metrics and ledgers of a week."""

import math
import random
from collections.abc import Sequence
from itertools import islice
from typing import Final

import msgspec
from sqlalchemy import Connection

from gnomon.store import DecisionStore
from gnomon.store.database import Database
from gnomon.store.figures import Figures, FigureTables, figures_of
from gnomon.store.figures.of_decision import DecisionHead
from gnomon.store.figures.of_metrics import MetricsRows
from gnomon.store.figures.of_verdict import VerdictRows
from gnomon.store.schema import DECISIONS, KEYS

HOUR_MS: Final = 3_600_000
HOSTILE: Final = (
    "<script>document.title='owned'</script>**bold** [x](http://evil.example) :smile: $x$"
)
LONG: Final = "agent-" + "x" * 10_000
AGENTS: Final = [f"{number:016x}" for number in range(0xA0, 0xA6)] + [HOSTILE, LONG]
TYPES: Final = ["review", "write", "<img src=x onerror=alert(1)>"]
EXPERIMENT: Final = "5e" * 32
BASELINES: Final = ("control", "same-type", "type")
PART: Final = 5_000


def fill(
    url: str,
    *,
    now_ms: int,
    decisions: int = 2_000,
    hours: int = 168,
    agents: Sequence[str] = AGENTS,
    types: Sequence[str] = TYPES,
) -> None:
    """Make a store whose last task ended just before ``now_ms``; the same for the same arguments."""
    store = DecisionStore(url)
    store.create()
    store.close()
    database = Database(url)
    tables = FigureTables(database)
    every_ms = hours * HOUR_MS / decisions
    made = (
        _decision(n, now_ms - 1_000 - int((decisions - 1 - n) * every_ms), agents, types)
        for n in range(decisions)
    )
    while part := list(islice(made, PART)):
        tables.prepare(part)
        with database.begin() as connection:
            tables.write_decisions(connection, part, fresh=True)
    with database.begin() as connection:
        tables.write_metrics(connection, _over_time(now_ms, hours))
        _seal(connection, now_ms, min(decisions, 100))
    tables.write_verdicts(_verdicts(now_ms, hours))
    database.close()


def _decision(number: int, ended_ms: int, agents: Sequence[str], types: Sequence[str]) -> Figures:
    chance = random.Random(number)  # noqa: S311  invented data, not a secret
    actual_s = chance.lognormvariate(3.0, 0.8)
    status = chance.choices(["matched", "expired", "cancelled"], [0.95, 0.03, 0.02])[0]
    matched = status == "matched"
    head = {
        "decision_id": f"d-{number:08}",
        "agent_id": chance.choice(agents),
        "task_type": chance.choice(types),
        "started_at_ms": ended_ms - int(actual_s * 1_000),
        "estimate_s": 20.0,
        "completeness": {"hour_seen": 1.0 if number % 50 else 0.5},
        "outcome": {
            "status": status,
            "at_ms": ended_ms,
            "duration_s": actual_s if matched else None,
            "succeeded": chance.random() < 0.8 if matched else None,
        },
        "predictions": [
            *(_predicted(name, "1", actual_s, 0.9, chance) for name in BASELINES),
            _predicted("gnomon", "4", actual_s, 0.6, chance),
            _predicted("gnomon", "5", actual_s, 0.4, chance),
        ],
    }
    return figures_of(msgspec.convert(head, DecisionHead), lambda word: word)


def _predicted(
    model: str, version: str, actual_s: float, spread: float, chance: random.Random
) -> dict[str, object]:
    predicted_s = actual_s * chance.lognormvariate(0.0, spread)
    return {
        "model": model,
        "version": version,
        "duration_s": predicted_s,
        "success_probability": chance.betavariate(8, 2),
        "intervals": {
            "by_level": {
                "80": {"low_s": predicted_s * 0.5, "high_s": predicted_s * 1.8},
                "90": {"low_s": predicted_s * 0.4, "high_s": predicted_s * 2.5},
            }
        },
    }


def _verdicts(now_ms: int, hours: int) -> VerdictRows:
    """Version 5 has bounds since its 24th hour, version 6 is too young to have any."""
    rows = VerdictRows([], [], [])
    last = now_ms // HOUR_MS
    for back in range(hours - 1, -1, -1):
        hour, age = last - back, hours - back
        at_ms = now_ms - 30_000 - back * HOUR_MS
        wave = 0.1 * math.sin(age / 9) / math.sqrt(age) * (1 - age / hours)
        for version, estimate in (("5", 0.31 + wave), ("6", 0.1)):
            if version == "6" and back > 5:
                continue
            bounded = version == "5" and age >= 24
            width = 0.6 / math.sqrt(age)
            low, high = (estimate - width, estimate + width) if bounded else (None, None)
            word = "GO" if version == "5" and low is not None and low > 0.2 else "CONTINUE"
            blocked = "" if word == "GO" else "improvement,drills"
            key = (EXPERIMENT, "gnomon", version, hour)
            decided = 12 * age if version == "5" else 40
            counts = (decided, 3 * age, age if version == "5" else 4, 6, 2, 1, 1, 0)
            bounded_by = (estimate, low, high, 0.4, None if word == "GO" else 31, "same-type")
            rows.verdicts.append((*key, at_ms, word, blocked, *counts, *bounded_by))
            for baseline, shift in zip(BASELINES, (0.0, -0.05, 0.05), strict=True):
                bounds = (
                    (None, None) if low is None or high is None else (low + shift, high + shift)
                )
                rows.improvements.append(
                    (*key, baseline, "log_loss", estimate + shift, *bounds, age, 3 * age)
                )
            rows.checklist.extend(
                [
                    (
                        *key,
                        "improvement",
                        "passed" if word == "GO" else "unknown",
                        "share",
                        estimate,
                        0.2,
                    ),
                    (
                        *key,
                        "decisions",
                        "passed" if decided > 1_000 else "failed",
                        "count",
                        decided,
                        1_000.0,
                    ),
                    (*key, "no impact on production", "passed", "ratio", 1.01, 1.05),
                    (*key, "alerting drilled", "unknown", "days", None, 30.0),
                ]
            )
    return rows


def _over_time(now_ms: int, hours: int) -> MetricsRows:
    rows = MetricsRows()
    last = now_ms // HOUR_MS
    for age in range(1, hours + 1):
        hour = last - hours + age
        for partition in range(2):
            n = age * 6
            counts = (n, n - age // 10 - 2, 2, age // 10, 0, 0, 0, 0, 0, age // 20, 0)
            rows.ledger[partition, hour] = (partition, hour, hour * HOUR_MS, *counts)
    return rows


def _seal(connection: Connection, now_ms: int, sealed: int) -> None:
    connection.execute(
        DECISIONS.insert(),
        [
            {"decision_id": f"d-{n:08}", "status": "matched", "started_at_ms": now_ms - 10_000}
            | {"ended_at_ms": now_ms - n, "key_id": "key-1", "sealed": b"\0" * 32}
            for n in range(sealed)
        ],
    )
    connection.execute(
        KEYS.insert(),
        [
            {"kid": f"key-{n}", "scope": "", "wrapped": b"\1" * 40, "commitment": b"\2" * 32}
            | {"kek_id": "kek", "state": state, "created_at_ms": now_ms - n * 24 * HOUR_MS}
            for n, state in ((1, "active"), (40, "retired"))
        ],
    )
