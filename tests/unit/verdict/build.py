"""Decisions to judge, made by numpy from a seed."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from gnomon.events import Comparison, Completeness, FeatureVector, ModelPrediction, Outcome
from gnomon.verdict import Decided, Evidence, VerdictSettings, Window, WindowBuilder
from gnomon.verdict.evidence.decided import JudgedPrediction

T0 = 1_700_000_400_000 // 3_600_000 * 3_600_000
HOUR = 3_600_000
SHA = "ab" * 32


def control(duration_s: float | None, q: float | None = 0.5) -> JudgedPrediction:
    return JudgedPrediction("control", "0", None, duration_s, q)


def rule(name: str, duration_s: float | None, q: float | None = 0.5) -> JudgedPrediction:
    return JudgedPrediction(name, "0", None, duration_s, q)


def model(
    duration_s: float | None,
    q: float | None = 0.5,
    *,
    name: str = "m",
    version: str = "1",
    sha256: str | None = SHA,
) -> JudgedPrediction:
    return JudgedPrediction(name, version, sha256, duration_s, q)


def decided(
    number: int,
    *predictions: JudgedPrediction,
    actual_s: float | None = 10.0,
    succeeded: bool | None = True,
    hour: float = 0,
    agent: str = "ada",
    status: Literal["matched", "expired", "cancelled"] = "matched",
    ended_ms: int | None = None,
) -> Decided:
    """A decision predicted at ``hour``; it ends at once unless ``ended_ms`` says when after that."""
    at_ms = T0 + round(hour * HOUR)
    ended_at_ms = at_ms + (1000 if ended_ms is None else ended_ms)
    if status != "matched":
        actual_s = succeeded = None
    return Decided(
        f"{number:032x}", at_ms, agent, status, ended_at_ms, actual_s, succeeded, tuple(predictions)
    )


def comparison(of: Decided) -> Comparison:
    return Comparison(
        decision_id=of.decision_id,
        agent_id=of.agent_id,
        task_id=of.decision_id,
        task_type="code",
        started_at_ms=of.started_at_ms,
        features=FeatureVector(tasks_completed_1h=0),
        completeness=Completeness(hour_seen=1.0),
        predictions=[
            ModelPrediction(
                model=predictions.model,
                version=predictions.version,
                sha256=predictions.sha256,
                duration_s=predictions.duration_s,
                success_probability=predictions.success_probability,
            )
            for predictions in of.predictions
        ],
        outcome=Outcome(
            status=of.status,
            at_ms=of.ended_at_ms,
            duration_s=of.duration_s,
            succeeded=of.succeeded,
        ),
    )


@lru_cache
def simulated(
    *,
    ratio: float,
    hours: int = 30,
    agents: int = 10,
    tasks: int = 5,
    seed: int = 1,
    accuracy: float = 0.9,
) -> Sequence[Decided]:
    """A model whose error on the log axis is ``ratio`` times control's, and surer of success."""
    rng = np.random.default_rng(seed)
    places = np.array([(h, a) for h in range(hours) for a in range(agents)]).repeat(tasks, axis=0)
    n = len(places)
    y = np.exp(rng.normal(4, 1, n))
    wrong, other = np.abs(rng.normal(0, 0.5, (2, n))) * rng.choice([-1, 1], (2, n))
    succeeded = rng.random(n) < 0.6
    right = rng.random(n) < accuracy
    minutes = rng.random(n) * 0.9
    theirs, ours = _off(y, wrong), _off(y, ratio * (0.6 * wrong + 0.8 * other))
    return [
        decided(
            k,
            control(float(theirs[k]), 0.6),
            model(float(ours[k]), 0.85 if right[k] == succeeded[k] else 0.15),
            actual_s=float(y[k]),
            succeeded=bool(succeeded[k]),
            hour=float(hour + minutes[k]),
            agent=f"agent-{agent}",
        )
        for k, (hour, agent) in enumerate(places)
    ]


def _off(seconds: NDArray[np.float64], by: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(0.0, (seconds + 1) * np.exp(by) - 1)


def with_rule(rows: Sequence[Decided], name: str, like: str, *, noise: float = 0) -> list[Decided]:
    """Add a simple rule that says what ``like`` says, but for a factor of chance."""
    rng, found = np.random.default_rng(7), []
    for row in rows:
        copied = next(said for said in row.predictions if said.model == like)
        assert copied.duration_s is not None
        said = rule(
            name,
            copied.duration_s * float(np.exp(rng.normal(0, noise))),
            copied.success_probability,
        )
        found.append(msgspec.structs.replace(row, predictions=(*row.predictions, said)))
    return found


def window_of(rows: Iterable[Decided], settings: VerdictSettings) -> Window:
    builder = WindowBuilder(settings)
    for row in rows:
        builder.add(row)
    return builder.build()


def gathered(
    rows: Sequence[Decided], settings: VerdictSettings | None = None, *, close: bool = True
) -> Evidence:
    settings = settings or VerdictSettings(mature_after_s=0)
    evidence = Evidence(settings=settings, window=window_of(rows, settings))
    watermark_ms = max((row.newest_ms for row in rows), default=0)
    for row in rows:
        evidence.add(row, watermark_ms=watermark_ms)
    if close:
        evidence.close_hours()
    return evidence
